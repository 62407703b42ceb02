"""A recording said to a live agent in real time, and what a listener hears of it meanwhile.

`hold` is the mouth: packet after packet, each when a microphone would have it complete. `Ears` lay
what comes back on the recording's clock as a player with a small buffer would: sound starts when it
arrives, goes on without a gap while it comes in time, and never waits longer than a limit. Both are
as long as the recording, so nothing can grow. Not here: any protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import numpy as np

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.bench.target import OnFrames, Reply
from voiceagent.clock import Clock, MonotonicClock
from voiceagent.errors import TargetError
from voiceagent.records.conversation import SaidWord

#: An agent that streams sends sound all the time, silence included; for so long it may send none.
STALL_S = 5.0
#: After a gap sound is played so much later than it came, lest packets a little late leave holes.
LEAD_SAMPLES = SAMPLE_RATE_HZ * 20 // 1000
#: More sound than this never waits to be played: the oldest is left out, as Moshi's page does.
MAX_WAITING_SAMPLES = SAMPLE_RATE_HZ * 240 // 1000

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
Say: TypeAlias = Callable[[Samples], Awaitable[None]]


class Ears:
    """What a listener hears. Next: `begin`; `hear`, `read` and `fail` from anywhere; `reply`."""

    def __init__(
        self, target: str, num_samples: int, clock: Clock, stall_s: float = STALL_S
    ) -> None:
        """Hear nothing yet.

        Args:
            target: named in errors.
            num_samples: of the recording.
            clock: of the conversation.
            stall_s: longest time without sound.
        """
        self._target = target
        self._clock = clock
        self._stall_samples = round(stall_s * SAMPLE_RATE_HZ)
        self._num_samples = num_samples
        self._heard = np.zeros(num_samples + MAX_WAITING_SAMPLES, np.float32)
        self._words: list[SaidWord] = []
        self._words_begin = True
        self._failure: str | None = None
        self._begin_us: int | None = None
        self._filled = 0
        self._last = 0
        self._dropped_samples = 0
        self._gaps = 0

    def begin(self) -> None:
        """From now on the clock of the recording runs; what came before it is the past."""
        self._begin_us = self._clock.now_us()

    @property
    def now(self) -> int:
        """Samples of the recording that have passed; 0 before it begins."""
        if self._begin_us is None:
            return 0
        return (self._clock.now_us() - self._begin_us) * SAMPLE_RATE_HZ // 1_000_000

    def hear(self, pcm: Samples) -> None:
        """Sound has come: float32 [N], 24 kHz."""
        if self._begin_us is None or not pcm.size:
            return
        now = self._last = self.now
        if now > self._filled:
            self._gaps += self._filled > 0
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
        self._words_begin = begins and not piece.strip()
        if self._begin_us is None or not piece.strip():
            return
        if begins or not self._words:
            self._words.append(SaidWord(piece.strip(), self.now * 1000 // SAMPLE_RATE_HZ))
        else:
            begun = self._words[-1]
            self._words[-1] = SaidWord(begun.text + piece.strip(), begun.time_ms)

    def fail(self, reason: str) -> None:
        """The other side has gone; the first reason stays."""
        self._failure = self._failure or reason

    def check(self) -> None:
        """Look whether the conversation goes on.

        Raises:
            TargetError: it failed, or nothing has been heard for too long.
        """
        now = self.now
        if self._failure is not None:
            raise self.error(self._failure)
        if now - self._last > self._stall_samples:
            seconds = self._stall_samples / SAMPLE_RATE_HZ
            raise self.error(f"stalled: it sent no sound for {seconds:g} s")

    def error(self, reason: str) -> TargetError:
        """An error of this conversation, with its time once it has begun."""
        at_ms = None if self._begin_us is None else self.now * 1000 // SAMPLE_RATE_HZ
        return TargetError(self._target, reason, at_ms)

    def reply(self, late_us: int) -> Reply:
        """All that was heard.

        Args:
            late_us: how late a packet of the recording was said at worst.
        """
        notes = {
            "worst_late_ms": late_us // 1000,
            "dropped_ms": self._dropped_samples * 1000 // SAMPLE_RATE_HZ,
            "gaps": self._gaps,
        }
        return Reply(pcm=self._heard[: self._num_samples], words=tuple(self._words), notes=notes)

    def _leave_out(self, excess: int, now: int) -> int:
        """Drop the oldest of the sound that waits; returns how much is still too much."""
        from_waiting = min(excess, self._filled - now)
        waiting = self._heard[now : self._filled]
        kept = waiting[from_waiting:].copy()
        waiting[: kept.size] = kept
        waiting[kept.size :] = 0
        self._filled -= from_waiting
        self._dropped_samples += excess
        return excess - from_waiting


#: Joins a conversation, and leaves it in the end; meanwhile sound goes to the ears.
Join: TypeAlias = Callable[[Ears], AbstractAsyncContextManager[Say]]


async def hold(
    target: str,
    join: Join,
    pcm: Samples,
    packet_samples: int,
    on_frames: OnFrames | None = None,
    *,
    stall_s: float = STALL_S,
    clock: Clock | None = None,
    sleep: Sleep = asyncio.sleep,
) -> Reply:
    """Say a recording and listen.

    Args:
        target: named in errors.
        join: what connects; raises `TargetError` where that fails.
        pcm: float32 [N], 24 kHz; the last packet is filled with silence.
        packet_samples: how much is said at a time, a divisor of 1920.
        on_frames: told of every frame.
        stall_s: longest time without sound, and for saying a packet.
        clock: and
        sleep: of the conversation.

    Raises:
        TargetError: the other side refused, died or stalled.
    """
    clock = clock or MonotonicClock()
    ears = Ears(target, len(pcm), clock, stall_s)
    packets = np.pad(pcm, (0, -len(pcm) % packet_samples)).reshape(-1, packet_samples)
    packet_us = packet_samples * 1_000_000 // SAMPLE_RATE_HZ
    worst_late_us = 0
    async with join(ears) as say:
        ears.begin()
        begin_us = clock.now_us()
        for number, packet in enumerate(packets, 1):
            wait_us = begin_us + number * packet_us - clock.now_us()
            await sleep(max(0, wait_us) / 1e6)
            worst_late_us = max(worst_late_us, clock.now_us() - begin_us - number * packet_us)
            ears.check()
            await _said(say, packet, ears, stall_s)
            if on_frames is not None and number * packet_samples % FRAME_SAMPLES == 0:
                on_frames(1)
        ears.check()
    return ears.reply(worst_late_us)


async def _said(say: Say, packet: Samples, ears: Ears, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            await say(packet)
    except TimeoutError as error:
        raise ears.error(f"stalled: it took no sound for {within_s:g} s") from error


async def ended(task: asyncio.Task[None]) -> None:
    """End a task and wait until it is over."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
