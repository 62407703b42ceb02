"""The caller's track, brought to an ear 20 ms at a time: one track, the newest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
from livekit import rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.audio.opus import from_int16
from voiceagent.clock import Clock
from voiceagent.gateway.phone.ear import FRAME_MS, Ear

#: Frames that LiveKit's own queue may hold: one second, then it drops the oldest.
STREAM_FRAMES = 1000 // FRAME_MS


class Hearing:
    """Next: `listen` to each track as it comes; `stop` in the end."""

    def __init__(self, ear: Ear, clock: Clock, on_sound: Callable[[], None]) -> None:
        """Nothing is heard yet.

        Args:
            ear: takes the sound.
            clock: for its timing.
            on_sound: called when the ear has sound where it had none.
        """
        self._ear = ear
        self._clock = clock
        self._on_sound = on_sound
        self._listening: asyncio.Task[None] | None = None

    def listen(self, track: rtc.Track) -> None:
        """To this track from now on, in place of an earlier one."""
        self.stop()
        self._listening = asyncio.create_task(self._listen(track), name="phone ear")

    def stop(self) -> None:
        """Hear nothing more."""
        if self._listening is not None:
            self._listening.cancel()

    async def _listen(self, track: rtc.Track) -> None:
        self._ear.restart()
        stream = rtc.AudioStream(
            track,
            capacity=STREAM_FRAMES,
            sample_rate=SAMPLE_RATE_HZ,
            num_channels=1,
            frame_size_ms=FRAME_MS,
        )
        try:
            async for event in stream:
                pcm = from_int16(np.frombuffer(event.frame.data, np.int16))
                if self._ear.hear(pcm, self._clock.now_us()):
                    # after all that came with it: a stall hands over many at once
                    asyncio.get_running_loop().call_soon(self._on_sound)
        finally:
            await stream.aclose()
