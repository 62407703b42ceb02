"""The sound of a simulated telephone: what is said into it, and what comes out of it.

Every 20 ms a packet leaves by the clock, through a telephone's codec, the room's noise when nothing
is said; so does what arrives. Not here: the call (`sip_caller`).
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from livekit import rtc

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.gateway.resample import Resampler
from voiceagent.testing.telephone_line import RATES_HZ, Band, Line

PACKET_MS = 20
PUSH_MS = 10
#: Packets that LiveKit's own queue may hold: one second.
STREAM_PACKETS = 1000 // PACKET_MS
_FULL_SCALE = 32_768


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """Sound that came out of the line.

    Attributes:
        pcm: float32 [N] at the line's rate.
        rate_hz: samples a second.
        arrived_s: float64 [packets of 20 ms], when each arrived, seconds of the loop.
    """

    pcm: Samples
    rate_hz: int
    arrived_s: np.ndarray[Any, np.dtype[np.float64]]

    def at_24_khz(self) -> Samples:
        """The sound at the rate that the recogniser takes."""
        return Resampler(self.rate_hz, SAMPLE_RATE_HZ).push(self.pcm)

    def first_loud_s(self, *, above: float = 0.01) -> float | None:
        """When the first 20 ms with an RMS above this arrived; None when none did."""
        packets = self.pcm.reshape(-1, self.rate_hz * PACKET_MS // 1000)
        loud = np.flatnonzero(np.sqrt(np.mean(packets**2, axis=1)) > above)
        return float(self.arrived_s[loud[0]]) if loud.size else None


class Handset:
    """Next: `speak` and `listen` in a room, side by side; `say` and `heard` at any time."""

    def __init__(self, band: Band, noise_dbfs: float | None) -> None:
        """Nothing is sent yet.

        Args:
            band: codec of the line.
            noise_dbfs: of the room, under all that is said; None for a dead microphone.
        """
        self.rate_hz = RATES_HZ[band]
        self._noise = 0.0 if noise_dbfs is None else 10 ** (noise_dbfs / 20)
        self._to_room, self._from_room = Line(band), Line(band)
        self._packet_samples = self.rate_hz * PACKET_MS // 1000
        self._said: asyncio.Queue[Samples] = asyncio.Queue()
        self._waiting: list[np.ndarray[Any, np.dtype[np.int16]]] = []
        self._heard: list[Samples] = []
        self._arrived_s: list[float] = []

    async def say(self, pcm: Samples, rate_hz: int) -> float:
        """See `SipCaller.say`."""
        sound = Resampler(rate_hz, self.rate_hz).push(pcm)
        padded = np.pad(sound, (0, -sound.size % self._packet_samples))
        for packet in padded.reshape(-1, self._packet_samples):
            self._said.put_nowait(packet)
        await self._said.join()
        return _now_s()

    def heard(self, from_s: float | None = None, to_s: float | None = None) -> Heard:
        """See `SipCaller.heard`."""
        for packet in self._waiting:  # a call that nobody listens to costs no coding
            pcm = packet.astype(np.float32)
            pcm /= _FULL_SCALE
            self._heard.append(self._from_room.push(pcm))
        self._waiting.clear()
        times = np.array(self._arrived_s)
        first = 0 if from_s is None else int(np.searchsorted(times, from_s))
        last = len(times) if to_s is None else int(np.searchsorted(times, to_s))
        pieces = self._heard[first:last]
        pcm = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
        return Heard(pcm, self.rate_hz, times[first:last])

    async def speak(
        self,
        source: rtc.AudioSource,
        is_on: Callable[[], bool],
        is_answered: Callable[[], bool],
    ) -> None:
        """Send by the clock while the telephone is on; what is said waits until it is answered."""
        rng = np.random.default_rng(0)
        due_s = _now_s()
        while is_on():
            packet = (self._noise * rng.standard_normal(self._packet_samples)).astype(np.float32)
            if is_answered() and not self._said.empty():
                packet += self._said.get_nowait()
                self._said.task_done()
            await self._push(source, self._to_room.push(packet))
            due_s += PACKET_MS / 1000
            await asyncio.sleep(max(0.0, due_s - _now_s()))

    async def listen(self, track: rtc.Track) -> None:
        """Keep what arrives until the track ends."""
        stream = rtc.AudioStream(
            track, sample_rate=self.rate_hz, frame_size_ms=PACKET_MS, capacity=STREAM_PACKETS
        )
        try:
            async for event in stream:
                self._waiting.append(np.frombuffer(event.frame.data, np.int16))
                self._arrived_s.append(_now_s())
        finally:
            await stream.aclose()

    async def _push(self, source: rtc.AudioSource, packet: Samples) -> None:
        pcm = (packet * _FULL_SCALE).astype(np.int16)
        size = self.rate_hz * PUSH_MS // 1000
        for piece in pcm.reshape(-1, size):
            await source.capture_frame(rtc.AudioFrame(piece.tobytes(), self.rate_hz, 1, size))


def _now_s() -> float:
    return asyncio.get_running_loop().time()
