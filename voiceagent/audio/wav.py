"""Sound files, through libsndfile and soxr: read as 24 kHz mono, written whole or not at all."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import soundfile
import soxr
from voiceagent_codec.files import whole_file

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.errors import AudioFileError

MAX_SECONDS = 4 * 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Recording:
    """A sound file brought to 24 kHz mono.

    Attributes:
        pcm: float32 [N], 24 kHz.
        notes: what had to be changed, for the user to read.
    """

    pcm: Samples
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.pcm) / SAMPLE_RATE_HZ


def read_wav(path: Path) -> Recording:
    """Read a sound file in any format, rate and channel count that libsndfile knows.

    Raises:
        AudioFileError: missing, unreadable, empty, too long, or with samples that are not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            rate_hz, frames = file.samplerate, file.frames
            if frames > MAX_SECONDS * rate_hz:
                raise AudioFileError(str(path), f"longer than {MAX_SECONDS // 3600} hours; cut it")
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(str(path), _why_unreadable(path, error)) from error
    if not np.isfinite(samples).all():
        raise AudioFileError(str(path), "holds samples that are not finite (NaN or infinity)")
    notes = []
    if samples.size and np.abs(samples).max() > 1:
        notes.append("clipped to full scale")
        samples = np.clip(samples, -1, 1)
    if samples.shape[1] > 1:
        notes.append(f"mixed {samples.shape[1]} channels to mono")
    pcm = samples.mean(axis=1, dtype=np.float32)
    if rate_hz != SAMPLE_RATE_HZ:
        notes.append(f"resampled from {rate_hz} Hz to {SAMPLE_RATE_HZ} Hz")
        pcm = soxr.resample(pcm, rate_hz, SAMPLE_RATE_HZ)
    if not pcm.size:
        raise AudioFileError(str(path), "holds no samples")
    return Recording(np.ascontiguousarray(np.clip(pcm, -1, 1), np.float32), tuple(notes))


def write_wav(path: Path, pcm: Samples) -> None:
    """Write 24 kHz 16-bit PCM, clipped to full scale.

    Args:
        path: the file; replaced if it exists, untouched if writing fails.
        pcm: float32 [N] or [N, channels] in -1 .. 1.

    Raises:
        AudioFileError: the folder is missing or cannot be written.
    """
    clipped = np.clip(pcm, -1.0, 1.0)
    try:
        with whole_file(path) as partial, partial.open("wb") as file:
            soundfile.write(file, clipped, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(str(path), f"cannot be written ({error})") from error


def _why_unreadable(path: Path, error: Exception) -> str:
    try:
        if path.is_dir():
            return "is a folder, not a sound file"
        if not path.stat().st_size:
            return "is empty (zero bytes)"
    except FileNotFoundError:
        return "no such file"
    except OSError as cause:
        return cause.strerror or str(cause)
    return f"not a sound file that can be read, or damaged ({error})"
