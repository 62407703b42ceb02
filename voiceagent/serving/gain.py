"""The agent's sound made softer or silent: a gain per frame, without a click between two."""

from __future__ import annotations

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.turntaking.types import Audio, Decision

#: From one gain to another: short enough to be heard as at once.
RAMP_SAMPLES = SAMPLE_RATE_HZ * 10 // 1000
#: Into a silence that the listener shall not hear as a fault of the line.
FADE_SAMPLES = SAMPLE_RATE_HZ * 50 // 1000


def gain_of(decision: Decision) -> float:
    """The factor that a frame's sound ends with."""
    match decision.audio:
        case Audio.PASS:
            return 1.0
        case Audio.DUCK:
            return float(10 ** (decision.gain_db / 20))
        case Audio.FADE | Audio.MUTE:
            return 0.0


def with_gain(pcm: Samples, before: float, gain: float) -> Samples:
    """A frame that goes from the gain of the frame before it to its own.

    Args:
        pcm: float32 [1920]; unchanged.
        before: factor that the last frame ended with.
        gain: factor that this one ends with.

    Returns:
        float32 [1920]; the samples themselves where both are 1.
    """
    if before == gain:
        return pcm if gain == 1 else pcm * np.float32(gain)
    ramp = np.full(len(pcm), gain, np.float32)
    count = FADE_SAMPLES if gain == 0 else RAMP_SAMPLES
    ramp[:count] = np.linspace(before, gain, count, dtype=np.float32)
    return pcm * ramp
