"""Worker processes of tests: ready, asked, ended. The real one runs in tests/e2e/phone."""

import signal
import sys

import pytest

from voiceagent.errors import EngineUnavailable
from voiceagent.testing.phone_worker import PhoneWorker

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]

#: Says that it is ready, and answers /metrics with what it was started with.
WORKER = """
import http.server, os
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"# HELP x\\nvoiceagent_phone_calls_active 3.0\\n")
port = int(os.environ["VOICEAGENT_LIVEKIT_HTTP_PORT"])
server = http.server.HTTPServer(("127.0.0.1", port), Metrics)
print("registered at", os.environ["LIVEKIT_URL"], flush=True)
server.serve_forever()
"""


def command(script):
    return (sys.executable, "-c", script)


async def test_a_worker_is_ready_when_it_says_so_and_is_asked_by_its_metrics(tmp_path):
    running = PhoneWorker.running(
        {"LIVEKIT_URL": "ws://x"}, tmp_path / "w", command=command(WORKER)
    )
    async with running as worker:
        assert worker.log == "registered at ws://x\n"
        assert await worker.metrics() == {"phone_calls_active": 3.0}
        assert await worker.until("phone_calls_active", lambda n: n == 3, 1) < 1
        with pytest.raises(TimeoutError):
            await worker.until("phone_calls_active", lambda n: n == 0, 0.2)
        worker.send(signal.SIGTERM)
        assert await worker.ended(5) == -signal.SIGTERM


async def test_a_worker_that_ends_at_once_says_why(tmp_path):
    script = command("import sys; sys.exit('no luck today')")
    with pytest.raises(EngineUnavailable, match="ended with status 1:\nno luck today"):
        async with PhoneWorker.running({}, tmp_path / "w", command=script):
            pass
