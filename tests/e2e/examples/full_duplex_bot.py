"""A full-duplex agent in a stock Pipecat pipeline, for a browser over SmallWebRTC.

Run it with `uvicorn full_duplex_bot:app`; any other Pipecat transport takes the place of this one.
"""

from fastapi import BackgroundTasks, FastAPI
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.transports.base_transport import BaseTransport, TransportParams
from pipecat.transports.smallwebrtc.request_handler import (
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)
from pipecat.transports.smallwebrtc.transport import SmallWebRTCTransport
from pipecat.workers.runner import WorkerRunner

from voiceagent.gateway.pipeline import FullDuplexService

app, handler = FastAPI(), SmallWebRTCRequestHandler()


async def run_bot(transport: BaseTransport) -> None:
    agent = FullDuplexService(model="nano")  # starts its engine; engine="ipc://..." joins one
    worker = PipelineWorker(
        Pipeline([transport.input(), agent, transport.output()]),
        params=PipelineParams(audio_in_sample_rate=24_000, audio_out_sample_rate=24_000),
        idle_timeout_secs=None,  # a full-duplex agent may listen for long
    )

    @transport.event_handler("on_client_disconnected")
    async def leave(transport, client):
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


@app.post("/api/offer")
async def offer(request: SmallWebRTCRequest, tasks: BackgroundTasks):
    async def start(connection):
        # two chunks of 10 ms: four is later, one loses races with the clock
        params = TransportParams(
            audio_in_enabled=True, audio_out_enabled=True, audio_out_10ms_chunks=2
        )
        tasks.add_task(run_bot, SmallWebRTCTransport(connection, params))

    return await handler.handle_web_request(request, start)
