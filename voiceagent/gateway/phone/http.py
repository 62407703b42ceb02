"""/healthz and /metrics of a phone worker, which has no other web pages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from voiceagent.errors import EngineUnavailable
from voiceagent.gateway.listener import HttpServer
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.metrics import PhoneMetrics
from voiceagent.serving.ports import EngineStatus, PortClient


def build_app(metrics: PhoneMetrics, engine: PortClient) -> FastAPI:
    """The application.

    Args:
        metrics: of the calls.
        engine: asked whether it lives.
    """
    registry = CollectorRegistry()
    registry.register(metrics)

    async def healthz() -> Response:
        """200 while calls can be taken."""
        wrong = [] if metrics.is_registered else ["the LiveKit server is lost"]
        if await _status(engine) is None:
            wrong.append("the engine does not answer")
        return PlainTextResponse(("; ".join(wrong) or "ok") + "\n", 503 if wrong else 200)

    async def read() -> Response:
        """For Prometheus."""
        metrics.engine = await _status(engine)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app = FastAPI(openapi_url=None)
    app.add_api_route("/healthz", healthz)
    app.add_api_route("/metrics", read)
    return app


@contextlib.asynccontextmanager
async def health_server(
    config: LiveKitConfig, metrics: PhoneMetrics, engine: PortClient
) -> AsyncIterator[None]:
    """Serve both while the context lasts, where a port was given.

    Raises:
        ConfigError: the port is taken.
    """
    if not config.http_port:
        yield
        return
    settings = uvicorn.Config(
        build_app(metrics, engine),
        host=config.http_host,
        port=config.http_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
    )
    listening = asyncio.Event()
    server = HttpServer(settings, lambda port: listening.set(), "[livekit] http_port")
    serving = asyncio.create_task(server.serve(), name="phone http")
    waiting = asyncio.create_task(listening.wait())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
        yield
    finally:
        waiting.cancel()
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)


async def _status(engine: PortClient) -> EngineStatus | None:
    try:
        return await engine.status()
    except EngineUnavailable:
        return None
