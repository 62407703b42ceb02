"""Is somebody speaking? Voice activity of many sessions at once, 80 ms at a time.

`SileroVad` runs the network that came with `pipecat-ai` (canonical: snakers4/silero-vad, MIT), all
slots in one batch, each with its own recurrent state. `WebRtcVad` is the light fallback: yes or no
from Gaussian mixtures, poor in noise. Not here: what follows from it (`voiceagent.turntaking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import numpy as np

from voiceagent.errors import DetectorUnavailable
from voiceagent.serving.downsample import Batch
from voiceagent.serving.onnx_session import bundled_model, open_session

RATE_HZ: Final = 16_000
FRAME_SAMPLES_16K = 1280

_SILERO = "audio/vad/data/silero_vad.onnx"
_WINDOW, _CONTEXT, _STATE = 512, 64, 128
# a frame is two and a half windows: every other one leaves half a window for the next
_HALF = _WINDOW // 2
_WEBRTC_SAMPLES = RATE_HZ // 100 * 2
_WEBRTC_MODE = 3


class Vad(Protocol):
    """What the observer needs of a detector."""

    def begin(self, slot: int) -> None:
        """Forget a slot's past."""

    def probabilities(self, slots: Sequence[int], pcm: Batch) -> Batch:
        """How likely each slot's user speaks at the end of the frame.

        Args:
            slots: of the rows, each at most once.
            pcm: float32 [B, 1280] at 16 kHz, finite.

        Returns:
            float32 [B], 0 to 1.
        """


class SileroVad:
    """See the module's docstring. Next: `begin` for a new session, then `probabilities`."""

    def __init__(self, num_slots: int, model: Path | None = None) -> None:
        """Load the network.

        Args:
            num_slots: sessions at once.
            model: a `silero_vad.onnx` of version 5 or 6; None is the bundled one.

        Raises:
            DetectorUnavailable: it is not installed or cannot be read: says what to do.
        """
        self._session = open_session("Silero VAD", model or bundled_model("Silero VAD", _SILERO))
        self._state = np.zeros((2, num_slots, _STATE), np.float32)
        self._history = np.zeros((num_slots, _CONTEXT + _HALF), np.float32)
        self._has_half = np.zeros(num_slots, np.bool_)
        self._rate = np.array(RATE_HZ, np.int64)

    def begin(self, slot: int) -> None:
        """See `Vad`."""
        self._state[:, slot] = 0
        self._history[slot] = 0
        self._has_half[slot] = False

    def probabilities(self, slots: Sequence[int], pcm: Batch) -> Batch:
        """See `Vad`; the network looks at 32 ms at a time, the last look counts."""
        rows = np.asarray(slots)
        joined = np.concatenate((self._history[rows], pcm), axis=1)
        starts = np.where(self._has_half[rows], 0, _HALF)
        found = np.zeros(len(rows), np.float32)
        for _ in range(3):
            full = np.flatnonzero(starts + _CONTEXT + _WINDOW <= joined.shape[1])
            if len(full):
                found[full] = self._window(rows[full], joined[full], starts[full])
            starts += _WINDOW
        self._history[rows] = joined[:, -(_CONTEXT + _HALF) :]
        self._has_half[rows] ^= True
        return found

    def _window(self, rows: np.ndarray, joined: Batch, starts: np.ndarray) -> Batch:
        places = starts[:, None] + np.arange(_CONTEXT + _WINDOW)
        inputs = {
            "input": np.take_along_axis(joined, places, axis=1),
            "state": self._state[:, rows],
            "sr": self._rate,
        }
        output, state = self._session.run(None, inputs)
        self._state[:, rows] = state
        return np.asarray(output[:, 0], np.float32)


class WebRtcVad:
    """The light fallback: the share of 20 ms packets in a frame that sound like speech."""

    def __init__(self, num_slots: int) -> None:
        """Start one detector per slot.

        Raises:
            DetectorUnavailable: webrtcvad is not installed.
        """
        try:
            import webrtcvad
        except ImportError as error:
            raise DetectorUnavailable("webrtcvad", str(error)) from error
        self._make = webrtcvad.Vad
        self._vads = [self._make(_WEBRTC_MODE) for _ in range(num_slots)]

    def begin(self, slot: int) -> None:
        """See `Vad`."""
        self._vads[slot] = self._make(_WEBRTC_MODE)

    def probabilities(self, slots: Sequence[int], pcm: Batch) -> Batch:
        """See `Vad`."""
        packets = np.clip(pcm * 32768, -32768, 32767).astype("<i2")
        packets = packets.reshape(len(slots), -1, _WEBRTC_SAMPLES)
        return np.array(
            [
                np.mean([self._vads[slot].is_speech(packet.tobytes(), RATE_HZ) for packet in row])
                for slot, row in zip(slots, packets, strict=True)
            ],
            np.float32,
        )
