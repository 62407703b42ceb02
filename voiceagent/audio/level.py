"""Loudness of a block of samples, relative to full scale."""

from __future__ import annotations

import numpy as np

from voiceagent.audio.framing import Samples

#: What digital silence reads: below any 24-bit signal.
SILENCE_DBFS = -144.0


def rms_dbfs(pcm: Samples) -> float:
    """Root mean square in dB below a full-scale square wave; at least SILENCE_DBFS.

    Not finite for samples that are not.
    """
    if not pcm.size:
        return SILENCE_DBFS
    samples = pcm.astype(np.float64)
    mean_square = np.dot(samples, samples) / samples.size
    # np.maximum hands NaN on, unlike max
    return float(10 * np.log10(np.maximum(mean_square, 10 ** (SILENCE_DBFS / 10))))
