"""Hangs callers up when the worker was killed: LiveKit takes 20 s to see that, and leaves them in
silence even then.

A small process (21 MB) that the worker tells, a line each, whose calls begin and end. The pipe
between them closes with the worker, however that ends, and whoever is left is removed from their
rooms then. It loads no client of LiveKit, which would take a second, and knows no secret but tokens
for the rooms of these calls. Not for a machine that dies, or a container of which all processes
are killed at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import logging
import signal
import sys
import time
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from voiceagent.gateway.phone.config import LiveKitConfig

#: A watchdog that has nobody to hang up ends at once.
END_WITHIN_S = 5.0
ATTEMPTS, RETRY_S, ANSWER_WITHIN_S = 5, 0.3, 1.5
#: After the longest call: until it has been taken leave of.
TOKEN_MARGIN = datetime.timedelta(minutes=10)

_log = logging.getLogger(__name__)


class Watchdog:
    """The worker's side. Made by `running`; next: `holding`, around each call."""

    def __init__(self, process: Process, config: LiveKitConfig) -> None:
        assert process.stdin is not None, "it is a pipe"
        self._pipe = process.stdin
        self._config = config

    @classmethod
    @contextlib.asynccontextmanager
    async def running(cls, config: LiveKitConfig) -> AsyncIterator[Self]:
        """Start the process; it ends with the block."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "voiceagent.gateway.phone.watchdog", config.http_url),
            stdin=PIPE,
            start_new_session=True,  # Ctrl-C is for the worker
        )
        watchdog = cls(process, config)
        try:
            yield watchdog
        finally:
            watchdog._pipe.close()
            try:
                async with asyncio.timeout(END_WITHIN_S):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()

    @contextlib.contextmanager
    def holding(self, room: str, identity: str) -> Iterator[None]:
        """While in the block, this caller is hung up when the worker dies."""
        self._tell([room, identity, self._token(room)])
        try:
            yield
        finally:
            self._tell([room, identity, ""])

    def _token(self, room: str) -> str:
        from livekit import api

        grants = api.VideoGrants(room_admin=True, room=room)
        token = api.AccessToken(self._config.api_key, self._config.secret()).with_grants(grants)
        life = datetime.timedelta(seconds=self._config.max_call_s) + TOKEN_MARGIN
        return token.with_ttl(life).to_jwt()

    def _tell(self, news: list[str]) -> None:
        self._pipe.write(json.dumps(news).encode() + b"\n")


def held_at_the_end(lines: Iterable[str]) -> list[tuple[str, str, str]]:
    """Whose calls went on when the lines ended: room, identity and token of each.

    Args:
        lines: the same three as JSON, each ended by a newline; no token where the call is over.
    """
    held: dict[tuple[str, str], str] = {}
    for line in lines:
        if not line.endswith("\n"):
            break  # the worker died in the middle of it
        room, identity, token = json.loads(line)
        held[room, identity] = token
    return [(*caller, token) for caller, token in held.items() if token]


def hang_up(url: str, room: str, identity: str, token: str) -> bool:
    """Remove a caller from its room; False where the server does not say that it is gone.

    Source: livekit/protocol `livekit_room.proto`, RoomService.RemoveParticipant as Twirp's JSON.
    """
    request = urllib.request.Request(
        f"{url}/twirp/livekit.RoomService/RemoveParticipant",
        json.dumps({"room": room, "identity": identity}).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {token}"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(ATTEMPTS):
        try:
            with opener.open(request, timeout=ANSWER_WITHIN_S):
                return True
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return True
        except OSError:
            pass
        time.sleep(RETRY_S)
    return False


def main(url: str) -> None:
    """Read what the worker says until it is gone, then hang up."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # ends with the worker, who may have calls to end
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    callers = held_at_the_end(sys.stdin)
    if not callers:
        return
    with ThreadPoolExecutor(len(callers)) as threads:
        gone = list(threads.map(lambda caller: hang_up(url, *caller), callers))
    _log.warning("the worker is gone: %d of its %d callers hung up", sum(gone), len(gone))


if __name__ == "__main__":
    main(sys.argv[1])
