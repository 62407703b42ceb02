"""What leaves for the caller, 20 ms at a time and always something: the agent, an announcement
where there is none, and beneath both a noise so low that it only tells that the line lives.

Pure: paced by whoever calls `take`. The noise is one second of the same sound again and again.
"""

from __future__ import annotations

import numpy as np

from voiceagent.audio.framing import PACKET_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.gateway.playout import AgentPlayout

#: Below this the noise is left out.
NO_NOISE_DBFS = -100.0


class Mouth:
    """Next: `push` the agent's frames, `say` announcements; `take` every 20 ms."""

    def __init__(self, noise_dbfs: float = NO_NOISE_DBFS) -> None:
        self.playout = AgentPlayout()
        self._noise = comfort_noise(noise_dbfs)
        self._announcement = np.zeros(0, np.float32)

    @property
    def left_ms(self) -> int:
        """Of the announcement that is being played."""
        return self._announcement.size * 1000 // SAMPLE_RATE_HZ

    def push(self, pcm: Samples, step: int, generation: int) -> None:
        """The agent's next frame, see `AgentPlayout.push`; unheard while an announcement plays."""
        self.playout.push(pcm, step, generation)

    def say(self, announcement: Samples) -> None:
        """Play this from now on: float32 [N]; one that plays already is cut off."""
        self._announcement = announcement

    def take(self, number: int) -> Samples:
        """What packet `number` holds: float32 [PACKET_SAMPLES]."""
        packet = self.playout.take(number)
        if self._announcement.size:
            said = self._announcement[:PACKET_SAMPLES]
            self._announcement = self._announcement[PACKET_SAMPLES:]
            packet = np.pad(said, (0, PACKET_SAMPLES - said.size))
        begin = number * PACKET_SAMPLES % self._noise.size
        noise: Samples = packet + self._noise[begin : begin + PACKET_SAMPLES]
        return noise


def comfort_noise(level_dbfs: float) -> Samples:
    """One second of noise that falls by 3 dB an octave, as rooms do: float32 [24000]."""
    if level_dbfs <= NO_NOISE_DBFS:
        return np.zeros(SAMPLE_RATE_HZ, np.float32)
    rng = np.random.default_rng(0)
    bins = SAMPLE_RATE_HZ // 2 + 1
    spectrum = rng.normal(size=bins) + 1j * rng.normal(size=bins)
    spectrum /= np.sqrt(np.maximum(np.arange(bins), 50))
    noise = np.fft.irfft(spectrum, SAMPLE_RATE_HZ)
    return (noise * 10 ** (level_dbfs / 20) / np.sqrt(np.mean(noise**2))).astype(np.float32)
