"""A real LiveKit on this machine: redis, livekit-server and, where there is one, livekit-sip.

For tests and benchmarks of phone calls. Everything listens on free ports of loopback, is logged to
files in one folder and has ended when the `async with` has. Nothing is installed here: `make test`
installs livekit-server and redis, a livekit-sip is used where somebody has built one.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from voiceagent.errors import LiveKitUnavailable

API_KEY, API_SECRET = "testkey", "a-secret-of-tests-for-loopback-only-0123"
LOOPBACK = "127.0.0.1"
READY_WITHIN_S = 15.0
#: livekit-server waits 8 s for calls before it leaves.
STOP_WITHIN_S = 10.0
#: Calls at once that livekit-sip has RTP ports for; it holds a port for 30 s after a call.
RTP_PORTS = 200
#: Ports of servers: below what Linux and macOS give to clients.
SERVERS = range(10_000, 20_000)
#: A room without anybody, or that everybody left, is kept as long.
EMPTY_ROOM_S, LEFT_ROOM_S = 10, 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """Where the real parts are.

    Attributes:
        server: livekit-server.
        redis: redis-server.
        sip: livekit-sip; None for none.
    """

    server: Path
    redis: Path
    sip: Path | None = None

    @classmethod
    def find(cls, *, with_sip: bool = False) -> Programs:
        """Look for them: named by LIVEKIT_SERVER_BIN and LIVEKIT_SIP_BIN, on PATH, in the cache.

        Raises:
            LiveKitUnavailable: one is missing; names it and the fix, in one line.
        """
        server = _find("livekit-server", "LIVEKIT_SERVER_BIN", "make livekit (needs Go)")
        redis = _find("redis-server", "", "sudo apt-get install redis-server")
        sip = "a build of github.com/livekit/sip named by LIVEKIT_SIP_BIN"
        return cls(
            server=server,
            redis=redis,
            sip=_find("livekit-sip", "LIVEKIT_SIP_BIN", sip) if with_sip else None,
        )


def _find(name: str, variable: str, fix: str) -> Path:
    named = os.environ.get(variable) if variable else None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voiceagent" / name
    for place in (named, shutil.which(name), str(cache)):
        if place and os.access(place, os.X_OK):
            return Path(place)
    raise LiveKitUnavailable(name, "not found", fix)


def free_port(*, first: int = 0, count: int = 1) -> int:
    """A port of loopback that is free for TCP and UDP now; the first of `count` in a row.

    Args:
        first: try these and those after it; 0 takes any below those that systems give to clients,
            or one could be gone before it is used.
        count: how many in a row shall be free for UDP.
    """
    port = first or random.choice(SERVERS)
    while True:
        with socket.socket() as tcp:
            try:
                tcp.bind((LOOPBACK, port))
                if all(_is_free_udp(port + i) for i in range(count)):
                    return port
            except OSError:
                pass
        port = port + count if first else random.choice(SERVERS)


def _is_free_udp(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((LOOPBACK, port))
        except (OSError, OverflowError):
            return False
    return True


class _Part:
    """One process. Next: `start`; `kill` and `start` again at will, `stop` in the end."""

    def __init__(self, command: list[str], port: int, log: Path) -> None:
        self._command = command
        self._port = port
        self._log = log
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "not started"
        return self._process.pid

    async def start(self) -> None:
        """Until its port takes connections.

        Raises:
            LiveKitUnavailable: it ended, or is not ready in time; holds the end of its log.
        """
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdout=log, stderr=log, start_new_session=True
            )
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                while not await self._listens():
                    if self._process.returncode is not None:
                        raise self._fault(f"ended with status {self._process.returncode}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            raise self._fault(f"not ready within {READY_WITHIN_S:g} s") from error

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Until it has ended."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    def _fault(self, what: str) -> LiveKitUnavailable:
        lines = self._log.read_text(errors="replace").splitlines()[-3:]
        return LiveKitUnavailable(Path(self._command[0]).name, f"{what}: {' | '.join(lines)}", "")


class LiveKitStack:
    """A LiveKit that runs: see the module. Made by `running`.

    Attributes:
        url: of the server, ws://.
        api_key: of the server.
        api_secret: likewise; nothing but loopback knows it.
        sip_address: host:port that takes SIP calls; None without livekit-sip.
    """

    def __init__(self, programs: Programs, folder: Path) -> None:
        http, redis = free_port(), free_port()
        self.url, self.api_key, self.api_secret = f"ws://{LOOPBACK}:{http}", API_KEY, API_SECRET
        self.sip_address: str | None = None
        command = [str(programs.redis), "--port", str(redis), "--bind", LOOPBACK]
        self._redis = _Part([*command, "--save", "", "--appendonly", "no"], redis, folder / "redis")
        self._server = self._part(programs.server, http, folder, _server_config(http, redis))
        self._sip: _Part | None = None
        if programs.sip is not None:
            sip, health = free_port(), free_port()
            self.sip_address = f"{LOOPBACK}:{sip}"
            config = _sip_config(self.url, redis, sip, health)
            self._sip = self._part(programs.sip, health, folder, config)

    @staticmethod
    def _part(program: Path, port: int, folder: Path, config: dict[str, Any]) -> _Part:
        file = folder / f"{program.name}.yaml"
        file.write_text(json.dumps(config))  # JSON is YAML
        return _Part([str(program), "--config", str(file)], port, folder / f"{program.name}.log")

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, programs: Programs, folder: Path) -> AsyncIterator[LiveKitStack]:
        """Start all parts, redis first; stop them in the end.

        Args:
            programs: what `Programs.find` found.
            folder: for configs and logs.

        Raises:
            LiveKitUnavailable: a part did not start.
        """
        stack = cls(programs, folder)
        parts = [part for part in (stack._redis, stack._server, stack._sip) if part is not None]
        try:
            for part in parts:
                await part.start()
            yield stack
        finally:
            # no call is worth waiting for now
            for part in reversed(parts):
                await part.stop(signal.SIGKILL)

    async def kill_server(self) -> None:
        """End livekit-server as a crash would; redis keeps the rooms. Next: `start_server`."""
        await self._server.stop(signal.SIGKILL)

    async def start_server(self) -> None:
        """Start it again, on the same ports."""
        await self._server.start()

    async def restart_server(self, *, down_s: float) -> None:
        """Kill it and start it again some time later."""
        await self.kill_server()
        await asyncio.sleep(down_s)
        await self.start_server()

    async def restart_redis(self, *, down_s: float) -> None:
        """Kill redis, which forgets all rooms, and start it again some time later."""
        await self._redis.stop(signal.SIGKILL)
        await asyncio.sleep(down_s)
        await self._redis.start()

    @property
    def pids(self) -> list[int]:
        """Of the processes that run now."""
        parts = (self._redis, self._server, self._sip)
        return [part.pid for part in parts if part is not None]

    def environment(self) -> dict[str, str]:
        """What a program that speaks to it is given."""
        return {
            "LIVEKIT_URL": self.url,
            "LIVEKIT_API_KEY": self.api_key,
            "LIVEKIT_API_SECRET": self.api_secret,
        }


def _server_config(http: int, redis: int) -> dict[str, Any]:
    return {
        "port": http,
        "bind_addresses": [LOOPBACK],
        "redis": {"address": f"{LOOPBACK}:{redis}"},
        "keys": {API_KEY: API_SECRET},
        "rtc": {
            "node_ip": LOOPBACK,
            "use_external_ip": False,
            "enable_loopback_candidate": True,
            "tcp_port": free_port(),
            "udp_port": free_port(),
            "interfaces": {"includes": ["lo0" if sys.platform == "darwin" else "lo"]},
        },
        "room": {
            "auto_create": True,
            "empty_timeout": EMPTY_ROOM_S,
            "departure_timeout": LEFT_ROOM_S,
        },
        # a worker whose load is at the default, 0.7, would be passed over with slots free
        "agents": {"target_load": 1.0},
        "logging": {"level": "info"},
    }


def _sip_config(url: str, redis: int, sip: int, health: int) -> dict[str, Any]:
    rtp = free_port(count=RTP_PORTS)
    return {
        "api_key": API_KEY,
        "api_secret": API_SECRET,
        "ws_url": url,
        "redis": {"address": f"{LOOPBACK}:{redis}"},
        "sip_port": sip,
        "rtp_port": f"{rtp}-{rtp + RTP_PORTS - 1}",
        "listen_ip": LOOPBACK,
        "nat_1_to_1_ip": LOOPBACK,
        "media_nat_1_to_1_ip": LOOPBACK,
        "use_external_ip": False,
        # at 0.9, the default, a small busy machine refuses to call out
        "max_cpu_utilization": 1,
        "health_port": health,
        "logging": {"level": "info"},
    }
