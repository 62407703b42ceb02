"""A recording said to a live agent in real time, and what a listener hears of it meanwhile.

`hold` is the mouth: packet after packet, each when a microphone would have it complete. `Ears` lay
what comes back on the recording's clock as a player with a small buffer would: sound starts when it
arrives, goes on without a gap while it comes in time, and never waits longer than a limit. Both are
as long as the recording, so nothing can grow. Not here: any protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.bench.targets.base import Call, OnSeconds, Reply
from voiceagent.bench.transcript import TimedWord, with_ends
from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import ConfigError, TargetError

#: After a gap sound is played so much later than it came, lest packets a little late leave holes.
LEAD_SAMPLES = SAMPLE_RATE_HZ * 20 // 1000
#: More sound than this never waits to be played: the oldest is left out, as Moshi's page does.
MAX_WAITING_SAMPLES = SAMPLE_RATE_HZ * 240 // 1000

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Say: TypeAlias = Callable[[Samples], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """How a conversation is held.

    Attributes:
        join_within_s: longest wait for an agent that listens; one that is busy or still takes in
            its role keeps the caller waiting.
        stall_s: longest time without any sound, silence included: an agent that streams sends it
            all the time.
        late_s: if this machine says a packet later than that, times mean nothing.
        clock: measures.
        sleep: waits on that clock.
    """

    join_within_s: float = 60.0
    stall_s: float = 5.0
    late_s: float = 1.0
    clock: Clock = field(default_factory=MonotonicClock)
    sleep: Sleep = asyncio.sleep


class Ears:
    """What a listener hears. Next: `begin`; `hear`, `read` and `fail` from anywhere; `reply`."""

    def __init__(self, target: str, num_samples: int, line: Line) -> None:
        """Hear nothing yet.

        Args:
            target: named in errors.
            num_samples: of the recording.
            line: for its clock and its patience.
        """
        self._target = target
        self._line = line
        self._heard = np.zeros(num_samples + MAX_WAITING_SAMPLES, np.float32)
        self._num_samples = num_samples
        self._words: list[TimedWord] = []
        self._words_begin = True
        self._failure: str | None = None
        self._begin_us: int | None = None
        self._filled = 0
        self._last = 0

    def begin(self) -> None:
        """From now on the clock of the recording runs; what came before it is the past."""
        self._begin_us = self._line.clock.now_us()

    @property
    def now(self) -> int:
        """Samples of the recording that have passed; 0 before it begins."""
        if self._begin_us is None:
            return 0
        return (self._line.clock.now_us() - self._begin_us) * SAMPLE_RATE_HZ // 1_000_000

    def hear(self, pcm: Samples) -> None:
        """Sound has come: float32 [N], 24 kHz."""
        if self._begin_us is None or not pcm.size:
            return
        now = self._last = self.now
        if not self._filled or now > self._filled:
            self._filled = now + LEAD_SAMPLES
        excess = self._filled + pcm.size - now - MAX_WAITING_SAMPLES
        if excess > 0:
            pcm = pcm[self._leave_out(excess, now) :]
        place = self._heard[self._filled :][: pcm.size]
        place[:] = pcm[: place.size]
        self._filled += pcm.size

    def read(self, piece: str) -> None:
        """Text has come: a piece that begins with a space, or follows one, begins a word."""
        begins = self._words_begin or piece[:1].isspace()
        text = piece.strip()
        self._words_begin = begins and not text
        if self._begin_us is None or not text:
            return
        if begins or not self._words:
            self._words.append(TimedWord(text, round(self.now / SAMPLE_RATE_HZ, 3), None))
        else:
            begun = self._words[-1]
            self._words[-1] = TimedWord(begun.text + text, begun.start_s, None)

    def fail(self, reason: str) -> None:
        """The other side has gone; the first reason stays."""
        self._failure = self._failure or reason

    def check(self) -> None:
        """Look whether the conversation goes on.

        Raises:
            TargetError: it failed, or nothing has been heard for too long.
        """
        if self._failure is not None:
            raise self.error(self._failure)
        if self.now - self._last > self._line.stall_s * SAMPLE_RATE_HZ:
            raise self.error(f"it sent no sound for {self._line.stall_s:g} s")

    def error(self, reason: str) -> TargetError:
        """An error of this conversation, with its time once it has begun."""
        at_s = None if self._begin_us is None else self.now / SAMPLE_RATE_HZ
        return TargetError(self._target, reason, at_s)

    def reply(self, key: str) -> Reply:
        """All that was heard; its words have starts only.

        Raises:
            TargetError: nothing was, not even silence.
        """
        if not self._filled:
            raise self.error("it sent no sound at all")
        return Reply(key, self._heard[: self._num_samples], with_ends(self._words))

    def _leave_out(self, excess: int, now: int) -> int:
        """Drop the oldest of the sound that waits; returns how much is still too much."""
        from_waiting = min(excess, self._filled - now)
        waiting = self._heard[now : self._filled]
        kept = waiting[from_waiting:].copy()
        waiting[: kept.size] = kept  # what comes fills the rest
        self._filled -= from_waiting
        return excess - from_waiting


#: Joins a conversation, and leaves it in the end; meanwhile sound goes to the ears.
Join: TypeAlias = Callable[[Ears], AbstractAsyncContextManager[Say]]


async def hold(
    target: str, join: Join, call: Call, packet_samples: int, on_seconds: OnSeconds, line: Line
) -> Reply:
    """Say a recording and listen.

    Args:
        target: named in errors.
        join: what connects; raises `TargetError` where that fails.
        call: its last packet is filled with silence.
        packet_samples: how much is said at a time.
        on_seconds: told of every packet.
        line: how.

    Returns:
        As long as the recording.

    Raises:
        TargetError: the other side refused, died or stalled, or this machine is too slow.
    """
    ears = Ears(target, len(call.user), line)
    packets = np.pad(call.user, (0, -len(call.user) % packet_samples)).reshape(-1, packet_samples)
    async with join(ears) as say:
        ears.begin()
        for number, packet in enumerate(packets, 1):
            await _complete(number * packet_samples, ears, line)
            ears.check()
            await _said(say, packet, ears, line.stall_s)
            on_seconds(packet_samples / SAMPLE_RATE_HZ)
        ears.check()
    return ears.reply(call.key)


async def _complete(samples: int, ears: Ears, line: Line) -> None:
    """Wait until so much of the recording has passed."""
    missing = samples - ears.now
    await line.sleep(max(0, missing) / SAMPLE_RATE_HZ)  # late or not, what came must be heard
    while (missing := samples - ears.now) > 0:
        await line.sleep(missing / SAMPLE_RATE_HZ)
    late_s = -missing / SAMPLE_RATE_HZ
    if late_s > line.late_s:
        raise ears.error(f"this machine is too busy to measure: it was {late_s:.1f} s late")


async def _said(say: Say, packet: Samples, ears: Ears, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await say(packet)
    except TimeoutError as error:
        raise ears.error(f"it took no sound for {within_s:g} s") from error


def check_url(url: str, schemes: tuple[str, ...], kind: str = "") -> SplitResult:
    """The parts of an address.

    Args:
        url: SCHEME://HOST[:PORT][/PATH].
        schemes: to choose from.
        kind: what stands before the scheme on the command line.

    Raises:
        ConfigError: it is no such address.
    """
    parts = urlsplit(url)
    try:
        is_address = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # the port is no number, or too large
        is_address = False
    if not is_address:
        known = " or ".join(f"{kind}{scheme}://HOST:PORT" for scheme in schemes)
        raise ConfigError(f"{kind}{url}: expected {known}")
    return parts


async def ended(task: asyncio.Task[None]) -> None:
    """End a task and wait until it is over."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def check_listening(url: str, within_s: float = 5.0) -> None:
    """See that somebody listens at a URL, before anything is made for a run with it.

    Raises:
        TargetError: nobody does.
    """
    parts = urlsplit(url)
    is_secure = parts.scheme.removeprefix("webrtc+") in ("https", "wss")
    try:
        socket.create_connection(
            (parts.hostname, parts.port or (443 if is_secure else 80)), within_s
        ).close()
    except OSError as error:
        raise TargetError(url, f"cannot be reached: {error.strerror or error}") from error
