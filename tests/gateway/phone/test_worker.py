import asyncio
import logging
import types

import pytest
from livekit.protocol import agent
from websockets.asyncio.server import serve

from voiceagent.clock import MonotonicClock
from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.metrics import PhoneMetrics
from voiceagent.gateway.phone.worker import Worker, pause_after, worker_url


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("ws://a:7880", "ws://a:7880/agent"),
        ("wss://a/livekit/?x=1", "wss://a/livekit/agent"),
    ],
)
def test_workers_connect_beside_the_rooms(url, wanted):
    assert worker_url(url) == wanted


def test_a_server_is_looked_for_often_at_first_and_seldom_later():
    pauses = [pause_after(failures) for failures in (0, 50, 51, 52, 60, 10_000)]
    assert pauses == [0.2, 0.2, 0.4, 0.8, 5.0, 5.0]


class Calls:
    """What a worker asks of the calls, and what it was told."""

    def __init__(self, takes=True):
        self.metrics = PhoneMetrics(list)
        self.load, self.num_busy, self.is_draining = 0.25, 1, False
        self.takes, self.taken, self.given_up = takes, [], []
        self.terminated = []
        self.on_change = lambda: None

    def would_take(self, job):
        return self.takes

    def claim(self, job):
        return {"voiceagent.since_ms": "5"}

    def give_up(self, job_id):
        self.given_up.append(job_id)

    def terminate(self, job_id):
        self.terminated.append(job_id)

    def job_ids(self):
        return ["AJ_0"]

    def take(self, assigned):
        self.taken.append(assigned)
        return asyncio.ensure_future(asyncio.sleep(0, "it broke"))


class Server:
    """A LiveKit server's end of the connection: takes in a worker, offers it a job."""

    def __init__(self):
        self.messages, self.headers, self.connections = [], [], 0

    async def handle(self, socket):
        self.connections += 1
        self.headers.append(socket.request.headers["Authorization"])
        async for data in socket:
            message = agent.WorkerMessage.FromString(data)
            self.messages.append(message)
            if message.HasField("register"):
                await self.say(socket, register={"worker_id": "AW_1"})
                await self.say(socket, availability={"job": {"id": "AJ_1"}})
            if message.HasField("availability") and message.availability.available:
                await self.say(socket, assignment={"job": {"id": "AJ_1"}, "token": "t"})

    async def say(self, socket, **message):
        await socket.send(agent.ServerMessage(**message).SerializeToString())

    def all(self, kind):
        return [getattr(m, kind) for m in self.messages if m.HasField(kind)]

    async def until(self, is_so):
        async with asyncio.timeout(5):
            while not is_so():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@pytest.fixture
def server():
    return Server()


async def held(server, calls, body):
    async with serve(server.handle, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        config = LiveKitConfig(
            url=f"ws://127.0.0.1:{port}", api_key="k", api_secret="s" * 32, agent_name="voice"
        )
        worker = Worker(config, calls, MonotonicClock())
        task = asyncio.create_task(worker.run())
        try:
            await body(types.SimpleNamespace(worker=worker, listening=listening, task=task))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio
async def test_an_offered_job_is_taken_worked_on_and_its_end_told(server):
    calls = Calls()

    async def body(running):
        await server.until(lambda: len(server.all("update_job")) == 2)

    await held(server, calls, body)
    assert server.all("register")[0].agent_name == "voice"
    (answer,) = server.all("availability")
    assert (answer.available, answer.participant_identity) == (True, "agent-AJ_1")
    assert [assigned.job.id for assigned in calls.taken] == ["AJ_1"]
    begin, end = server.all("update_job")
    assert (begin.status, end.status, end.error) == (agent.JS_RUNNING, agent.JS_FAILED, "it broke")


@pytest.mark.asyncio
async def test_a_job_that_the_server_ends_is_ended_here(server):
    calls = Calls()

    async def body(running):
        await server.until(lambda: server.all("update_job"))
        (socket,) = running.listening.connections
        await server.say(socket, termination={"job_id": "AJ_1"})
        await server.until(lambda: calls.terminated)

    await held(server, calls, body)
    assert calls.terminated == ["AJ_1"]


@pytest.mark.asyncio
async def test_a_job_that_cannot_be_taken_is_refused(server):
    calls = Calls(takes=False)

    async def body(running):
        await server.until(lambda: server.all("availability"))

    await held(server, calls, body)
    assert not server.all("availability")[0].available
    assert calls.taken == []


@pytest.mark.asyncio
async def test_a_change_is_told_at_once(server):
    calls = Calls(takes=False)

    async def body(running):
        await server.until(lambda: server.all("update_worker"))
        calls.is_draining = True
        calls.on_change()
        async with asyncio.timeout(0.5):
            await server.until(lambda: server.all("update_worker")[-1].draining)

    await held(server, calls, body)
    first = server.all("update_worker")[0]
    assert (first.load, first.job_count, first.status) == (0.25, 1, agent.WS_AVAILABLE)
    assert server.all("update_worker")[-1].status == agent.WS_FULL


@pytest.mark.asyncio
async def test_a_lost_server_is_found_again_and_told_of_jobs_that_go_on(server):
    calls = Calls(takes=False)

    async def body(running):
        await running.worker.registered.wait()
        for socket in list(running.listening.connections):
            await socket.close()
        await server.until(lambda: server.connections == 2)
        await running.worker.registered.wait()
        await server.until(lambda: len(server.all("migrate_job")) == 2)

    await held(server, calls, body)
    assert list(server.all("migrate_job")[-1].job_ids) == ["AJ_0"]
    assert calls.metrics.is_registered is False  # it was told to end


@pytest.mark.asyncio
async def test_rubbish_from_the_server_breaks_the_connection_and_no_more(server, caplog):
    async def rubbish(socket, **message):
        await socket.send("text")

    server.say = rubbish

    async def body(running):
        await server.until(lambda: server.connections >= 2)

    await held(server, Calls(), body)
    assert "sent text where protobuf was due" in caplog.text


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "problem"), [(401, "refuses the key 'k'"), (404, "no agent")])
async def test_a_server_that_never_knew_it_is_an_error_of_the_settings(status, problem):
    async def refuse(connection, request):
        return connection.respond(status, "no")

    async def nobody(socket):
        raise AssertionError("nobody is let in")

    async with serve(nobody, "127.0.0.1", 0, process_request=refuse) as listening:
        port = listening.sockets[0].getsockname()[1]
        config = LiveKitConfig(url=f"ws://127.0.0.1:{port}", api_key="k", api_secret="s" * 32)
        with pytest.raises(ConfigError, match=problem):
            await Worker(config, Calls(), MonotonicClock()).run()


def test_the_sockets_own_log_which_holds_the_token_is_quiet():
    assert not logging.getLogger("voiceagent.gateway.phone.worker.socket").isEnabledFor(
        logging.INFO
    )
