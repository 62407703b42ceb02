import socket

import httpx
import pytest

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.http import health_server
from voiceagent.gateway.phone.metrics import PhoneMetrics
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.local import LocalClient

pytestmark = pytest.mark.asyncio


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


async def test_health_needs_the_livekit_server_and_metrics_do_not():
    metrics, port = PhoneMetrics(list), free_port()
    config = LiveKitConfig(http_port=port)
    async with (
        LocalClient(EchoEngine(), model="echo") as engine,
        health_server(config, metrics, engine),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http,
    ):
        before = await http.get("/healthz")
        metrics.set_registered(True)
        after, read = await http.get("/healthz"), await http.get("/metrics")
    assert (before.status_code, before.text) == (503, "the LiveKit server is lost\n")
    assert (after.status_code, after.text) == (200, "ok\n")
    assert "voiceagent_phone_registered 1.0" in read.text
    assert "voiceagent_engine_num_slots 1.0" in read.text


async def test_without_a_port_nothing_listens():
    async with health_server(LiveKitConfig(), PhoneMetrics(list), None):
        pass


async def test_a_port_that_is_taken_is_named_with_its_setting():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = LiveKitConfig(http_port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match=r"\[livekit\] http_port"):
            async with health_server(config, PhoneMetrics(list), None):
                pass
