"""Loudness as people hear it: ITU-R BS.1770 integrated loudness, measured by libloudness."""

from __future__ import annotations

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.errors import ConfigError


def loudness_lufs(pcm: Samples) -> float:
    """Integrated loudness, gated as EBU R 128 has it; -inf for silence.

    Args:
        pcm: float32 [N], 24 kHz mono, at least 400 ms.

    Raises:
        ConfigError: the package that measures is not installed.
        ValueError: shorter than 400 ms.
    """
    try:
        from loudness import integrated_loudness
    except ImportError as error:
        raise ConfigError(
            "measuring loudness needs the loudness package: pip install 'voiceagent[serve]'"
        ) from error
    return float(integrated_loudness(pcm, SAMPLE_RATE_HZ))


def at_loudness(pcm: Samples, target_lufs: float) -> tuple[Samples | None, float]:
    """A recording at another loudness, but never louder than full scale allows.

    Args:
        pcm: as for `loudness_lufs`.
        target_lufs: what it shall have.

    Returns:
        The recording, or None where it is silent, and the gain in dB.
    """
    gain_db = target_lufs - loudness_lufs(pcm)
    if not np.isfinite(gain_db):
        return None, 0.0
    gain_db = min(gain_db, -20 * float(np.log10(np.abs(pcm).max())))
    return pcm * np.float32(10 ** (gain_db / 20)), gain_db
