import asyncio
import socket

import pytest
import uvicorn

from voiceagent.errors import ConfigError
from voiceagent.gateway.listener import HttpServer


async def app(scope, receive, send):
    raise AssertionError("nobody asks")


def config(port):
    return uvicorn.Config(app, port=port, log_config=None, lifespan="off", ws="none")


@pytest.mark.asyncio
async def test_it_says_the_port_on_which_it_listens():
    ports = []
    server = HttpServer(config(0), ports.append)
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(5):
        while not ports:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with socket.create_connection(("127.0.0.1", ports[0])):
        pass
    server.should_exit = True
    await serving


@pytest.mark.asyncio
async def test_a_port_that_is_taken_is_named_with_the_setting_that_chooses_another():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = HttpServer(config(taken.getsockname()[1]), print, "[livekit] http_port")
        with pytest.raises(ConfigError, match=r"is it taken\? Choose another with \[livekit\]"):
            await server.serve()
