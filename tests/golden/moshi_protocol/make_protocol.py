"""Makes the golden wire files of Moshi's protocol with the reference itself (`make peers`).

    .venv/bin/python tests/golden/moshi_protocol/make_protocol.py

A conversation of two seconds with `moshi.server` 0.2.13 (`serve_moshi.py`), held as `moshi.client`
holds it: 80 ms of sound at a time through `sphn`. `server.bin` is what the server said and
`client.bin` what it was told; each message is its length as u32, little-endian, and its bytes.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import sphn
from websockets.asyncio.client import connect

FOLDER = Path(__file__).parent
FRAMES, FRAME_SAMPLES, RATE_HZ = 25, 1920, 24_000
START_WITHIN_S = 120


@contextlib.contextmanager
def serving():
    """The reference server on loopback; its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        script = [sys.executable, str(FOLDER / "serve_moshi.py"), folder, str(port)]
        server = subprocess.Popen(script, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            wait_for(port, server)
            yield f"ws://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.communicate()


def wait_for(port, server):
    """Return when somebody listens."""
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError(server.stderr.read().decode())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise RuntimeError("moshi.server did not start")


async def converse(url):
    """Every message of a conversation: those of the server, those of the client."""
    time_s = np.arange(FRAMES * FRAME_SAMPLES) / RATE_HZ
    pcm = (0.3 * np.sin(2 * np.pi * 220 * time_s) * np.sin(2 * np.pi * time_s)).astype(np.float32)
    writer, told, said = sphn.OpusStreamWriter(RATE_HZ), [], []
    async with connect(f"{url}/api/chat") as websocket:
        said.append(await websocket.recv())
        for frame in pcm.reshape(-1, FRAME_SAMPLES):
            told.append(b"\x01" + writer.append_pcm(frame))
            await websocket.send(told[-1])
        with contextlib.suppress(TimeoutError):
            while True:
                said.append(await asyncio.wait_for(websocket.recv(), 2))
    return said, told


def write(path, messages):
    path.write_bytes(b"".join(len(m).to_bytes(4, "little") + m for m in messages))


def main():
    with serving() as url:
        said, told = asyncio.run(converse(url))
    write(FOLDER / "server.bin", said)
    write(FOLDER / "client.bin", told)


if __name__ == "__main__":
    main()
