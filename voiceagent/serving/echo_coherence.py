"""Does the microphone hear our own loudspeaker? Frames compared with what was played before.

The delay is unknown and may be anything up to `MAX_DELAY_MS`, so the last frames of the microphone
are correlated with every place in that much of the playout, both whitened by a difference. 1 is
the agent's voice and nothing else, a stranger's speech stays below about a half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from voiceagent.serving.cues import Floats
from voiceagent.serving.downsample import Batch, Downsampler

Asked = npt.NDArray[np.bool_]

RATE_HZ: Final = 8000
MAX_DELAY_MS = 640
_FRAME = RATE_HZ * 80 // 1000
# what is looked for: the last two frames of the microphone
_HEARD = 2 * _FRAME
_PLAYED = _HEARD + RATE_HZ * MAX_DELAY_MS // 1000
#: Circular, and long enough: what wraps around lies beyond the last place looked at.
_FFT = _PLAYED
_NOTHING = 1e-7


class EchoCoherence:
    """See the module's docstring. Next: `begin` for a slot, then `frames`."""

    def __init__(self, num_slots: int) -> None:
        self._microphone = Downsampler(RATE_HZ, num_slots)
        self._loudspeaker = Downsampler(RATE_HZ, num_slots)
        self._heard = np.zeros((num_slots, _HEARD + 1), np.float32)
        self._played = np.zeros((num_slots, _PLAYED + 1), np.float32)

    def begin(self, slot: int) -> None:
        """Forget a slot's sound."""
        self._microphone.begin(slot)
        self._loudspeaker.begin(slot)
        self._heard[slot] = self._played[slot] = 0

    def frames(
        self, slots: Sequence[int], pcm: Batch, played: Batch, is_asked: Asked | None = None
    ) -> Floats:
        """Compare one frame per slot.

        Args:
            slots: of the rows, each at most once.
            pcm: what the microphone heard: float32 [B, 1920] at 24 kHz, finite.
            played: what was sent to the loudspeaker before, likewise.
            is_asked: bool [B], whose echo is wanted; None is everybody's.

        Returns:
            Highest correlation, 0 to 1, float64 [B]; 0 where the agent was silent or
            nobody asked.
        """
        rows = np.asarray(slots)
        heard = _slide(self._heard, rows, self._microphone.frames(slots, pcm))
        sent = _slide(self._played, rows, self._loudspeaker.frames(slots, played))
        found = np.zeros(len(rows))
        # an echo needs a sound of the agent and one in the microphone
        is_audible = (_power(sent) > _NOTHING) & (_power(heard) > _NOTHING)
        audible = np.flatnonzero(is_audible if is_asked is None else is_audible & is_asked)
        if len(audible):
            found[audible] = _best_match(np.diff(heard[audible]), np.diff(sent[audible]))
        return found


def _slide(ring: Batch, rows: np.ndarray, frame: Batch) -> Batch:
    moved = np.concatenate((ring[rows, frame.shape[1] :], frame), axis=1)
    ring[rows] = moved
    return moved


def _power(pcm: Batch) -> Batch:
    return np.asarray(np.einsum("bn,bn->b", pcm, pcm) / pcm.shape[1], np.float32)


def _best_match(heard: Batch, sent: Batch) -> Floats:
    """Normalised cross-correlation of [B, N] with all N-sample stretches of [B, M]."""
    length = heard.shape[1]
    places = sent.shape[1] - length + 1
    spectrum = np.fft.rfft(sent, _FFT) * np.conj(np.fft.rfft(heard, _FFT))
    match = np.fft.irfft(spectrum, _FFT)[:, :places]
    energy = np.zeros((len(sent), sent.shape[1] + 1))
    np.cumsum(np.square(sent), axis=1, dtype=np.float64, out=energy[:, 1:])
    of_places = (energy[:, length:] - energy[:, :-length]).astype(np.float32)
    of_heard = np.square(heard).sum(axis=1, keepdims=True)
    scale = np.sqrt(np.maximum(of_places, of_places.max(axis=1, keepdims=True) * 1e-3) * of_heard)
    return np.asarray(np.clip((np.abs(match) / (scale + _NOTHING)).max(axis=1), 0, 1))
