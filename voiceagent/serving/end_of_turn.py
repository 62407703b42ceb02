"""Is the user's turn over? Smart Turn v3, asked once at the onset of a pause.

A Whisper encoder over the last 8 s of sound and one number at its end; the network comes with
`pipecat-ai` (canonical: pipecat-ai/smart-turn-v3, BSD-2). A look takes about a frame of one core,
so it never runs where the voice activity detector does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from voiceagent.serving.cues import Floats
from voiceagent.serving.downsample import Batch
from voiceagent.serving.onnx_session import bundled_model, open_session

RATE_HZ = 16_000
#: What the network looks back on.
HEARD_SAMPLES = 8 * RATE_HZ

_MODEL = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
_BANDS, _WINDOW, _HOP = 80, 400, 160
_BINS = _WINDOW // 2 + 1
_RANGE_DECADES = 8.0
_SILENT = 1e-10


class SmartTurn:
    """See the module's docstring. Next: `probability`, from one thread."""

    def __init__(self, model: Path | None = None) -> None:
        """Load the network.

        Args:
            model: a Smart Turn v3 file; None is the bundled one.

        Raises:
            DetectorUnavailable: it is not installed or cannot be read: says what to do.
        """
        self._session = open_session("Smart Turn", model or bundled_model("Smart Turn", _MODEL))
        self._filters = mel_filters()
        self._window = np.hanning(_WINDOW + 1)[:-1]

    def probability(self, pcm: Batch) -> float:
        """How likely the speaker has finished.

        Args:
            pcm: float32 [N] at 16 kHz up to the pause, finite; the last 8 s count.

        Returns:
            0 to 1.
        """
        recent = pcm[-HEARD_SAMPLES:]
        features = self._log_mel(np.pad(recent, (HEARD_SAMPLES - len(recent), 0)))
        (answer,) = self._session.run(None, {"input_features": features[None]})
        return float(answer[0, 0])

    def _log_mel(self, pcm: Batch) -> Batch:
        """Whisper's features: float32 [80, 800], normalised as the network was trained."""
        scaled = (pcm - pcm.mean()) / np.sqrt(pcm.var() + 1e-7)
        padded = np.pad(scaled.astype(np.float64), _WINDOW // 2, mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:-1:_HOP]
        power = np.square(np.abs(np.fft.rfft(windows * self._window)))
        log_mel = np.log10(np.maximum(self._filters @ power.T, _SILENT))
        log_mel = np.maximum(log_mel, log_mel.max() - _RANGE_DECADES)
        return np.asarray((log_mel + 4) / 4, np.float32)


def mel_filters() -> Floats:
    """Triangles on Slaney's mel scale, of unit area: float64 [80, 201].

    Source: Slaney, Auditory Toolbox, 1998; as Whisper uses them.
    """
    edges_hz = _to_hz(np.linspace(0, _to_mel(RATE_HZ / 2), _BANDS + 2))
    hz = np.linspace(0, RATE_HZ / 2, _BINS)
    widths = np.diff(edges_hz)
    rising = (hz - edges_hz[:-2, None]) / widths[:-1, None]
    falling = (edges_hz[2:, None] - hz) / widths[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges_hz[2:] - edges_hz[:-2]))[:, None])


# linear up to 1 kHz, which is mel 15, then 27 mel for every factor of 6.4
_LINEAR_HZ, _LINEAR_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27


def _to_mel(hz: float) -> float:
    return float(_LINEAR_MEL + np.log(hz / _LINEAR_HZ) / _LOG_STEP)


def _to_hz(mel: Floats) -> Floats:
    linear_hz = mel * _LINEAR_HZ / _LINEAR_MEL
    return np.where(
        mel < _LINEAR_MEL, linear_hz, _LINEAR_HZ * np.exp(_LOG_STEP * (mel - _LINEAR_MEL))
    )
