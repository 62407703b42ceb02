"""Where in a recording somebody speaks: Silero VAD over whole files, several channels at once.

The detector that the official scripts use, with the segmentation they leave at its defaults, so
that stretches agree to the sample. Not the live detector of `voiceagent.serving.vad`, which has
only the past.

Source: snakers4/silero-vad 6.2 (MIT): the network, and the meaning of its segmentation's settings.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from voiceagent.audio.framing import Samples
from voiceagent.serving.onnx_session import bundled_model, open_session

RATE_HZ = 16_000
WINDOW_SAMPLES = 512

_CONTEXT_SAMPLES, _STATE = 64, 128
_SPEAKS, _SILENT = 0.5, 0.35
_PAD_SAMPLES = RATE_HZ * 30 // 1000
_MODEL = "audio/vad/data/silero_vad.onnx"

#: From the first sample to after the last one, at 16 kHz.
SampleSpan = tuple[int, int]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What makes a stretch.

    Attributes:
        min_speech_ms: shorter ones are left out.
        min_silence_ms: shorter silences lie within a stretch.
    """

    min_speech_ms: int = 250
    min_silence_ms: int = 100


class SpeechFinder:
    """See the module's docstring. Next: `spans` or `stretches`, as often as you like."""

    def __init__(self, model: Path | None = None) -> None:
        """Load the network.

        Args:
            model: a `silero_vad.onnx` of version 5 or 6; None is the installed one.

        Raises:
            DetectorUnavailable: it is not installed or cannot be read: says what to do.
        """
        self._session = open_session("Silero VAD", model or bundled_model("Silero VAD", _MODEL))

    def stretches(self, channels: Sequence[Samples]) -> list[list[tuple[float, float]]]:
        """Of each channel, from when to when it holds speech, in seconds; see `spans`."""
        return [in_seconds(found) for found in self.spans(channels)]

    def spans(
        self, channels: Sequence[Samples], how: Segmentation = Segmentation()
    ) -> list[list[SampleSpan]]:
        """Of each channel, from which to which sample it holds speech.

        Args:
            channels: f32[N] at 16 kHz each; lengths may differ.
            how: settings of the segmentation.
        """
        found = self.probabilities(channels)
        return [segment(p, len(pcm), how) for p, pcm in zip(found, channels, strict=True)]

    def probabilities(self, channels: Sequence[Samples]) -> list[Probabilities]:
        """How likely each window of 32 ms holds speech: f32[ceil(N / 512)] per channel."""
        counts = np.array([-(-len(pcm) // WINDOW_SAMPLES) for pcm in channels], np.int64)
        order, most = np.argsort(-counts, kind="stable"), int(counts.max(initial=0))
        sound = np.zeros((len(counts), _CONTEXT_SAMPLES + most * WINDOW_SAMPLES), np.float32)
        for row, index in zip(sound, order, strict=True):
            row[_CONTEXT_SAMPLES : _CONTEXT_SAMPLES + len(channels[index])] = channels[index]
        state, rate = np.zeros((2, len(counts), _STATE), np.float32), np.array(RATE_HZ, np.int64)
        found = np.zeros((len(counts), most), np.float32)
        for index in range(most):
            going = int((counts > index).sum())  # the longest come first; who is done is left out
            start = index * WINDOW_SAMPLES
            window = sound[:going, start : start + _CONTEXT_SAMPLES + WINDOW_SAMPLES]
            inputs = {"input": window, "state": state[:, :going], "sr": rate}
            output, state = self._session.run(None, inputs)
            found[order[:going], index] = output[:, 0]
        return [row[:count] for row, count in zip(found, counts, strict=True)]


def segment(
    probabilities: Probabilities, num_samples: int, how: Segmentation = Segmentation()
) -> list[SampleSpan]:
    """Stretches of speech from the probabilities of a whole recording.

    Speech begins with a window of at least 0.5 and ends where a silence (below 0.35) of the least
    length begins; what remains is widened by 30 ms, or to the middle of a shorter silence.

    Args:
        probabilities: f32[T], one per window of 512 samples.
        num_samples: of the recording; its last window may be partly empty.
        how: least lengths.
    """
    least = RATE_HZ * how.min_speech_ms / 1000
    runs = list(_runs(probabilities, RATE_HZ * how.min_silence_ms / 1000))
    ended = [run for run in runs if run[1] is not None]
    found = [[start, end] for start, end in ended if end is not None and end - start > least]
    if len(ended) < len(runs) and num_samples - runs[-1][0] > least:
        found.append([runs[-1][0], num_samples])
    return _widened(found, num_samples)


def in_seconds(spans: Sequence[SampleSpan]) -> list[tuple[float, float]]:
    """Spans of samples at 16 kHz as seconds."""
    return [(start / RATE_HZ, end / RATE_HZ) for start, end in spans]


def rounded_s(spans: Sequence[SampleSpan], num_samples: int) -> list[tuple[float, float]]:
    """Seconds to a tenth, as the official backchannel script has them."""
    last_s = num_samples / RATE_HZ
    return [
        (max(round(start / RATE_HZ, 1), 0), min(round(end / RATE_HZ, 1), last_s))
        for start, end in spans
    ]


def _runs(
    probabilities: Probabilities, min_silence_samples: float
) -> Iterator[tuple[int, int | None]]:
    """Starts and ends of speech; the last end is None where the recording ends first."""
    start = silent_from = None
    for index, probability in enumerate(probabilities):
        sample = index * WINDOW_SAMPLES
        if probability >= _SPEAKS:
            silent_from = None
            start = sample if start is None else start
        elif probability < _SILENT and start is not None:
            silent_from = sample if silent_from is None else silent_from
            if sample - silent_from >= min_silence_samples:
                yield start, silent_from
                start = silent_from = None
    if start is not None:
        yield start, None


def _widened(found: list[list[int]], num_samples: int) -> list[SampleSpan]:
    for one, following in itertools.pairwise(found):
        silence = following[0] - one[1]
        share = min(silence // 2, _PAD_SAMPLES)
        one[1] += share
        following[0] -= share
    if found:
        found[0][0] = max(0, found[0][0] - _PAD_SAMPLES)
        found[-1][1] = min(num_samples, found[-1][1] + _PAD_SAMPLES)
    return [(start, end) for start, end in found]
