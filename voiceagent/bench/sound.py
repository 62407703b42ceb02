"""Sound files as the bench needs them: at their own rate, mono, and for the detector at 16 kHz.

`voiceagent.audio.wav` brings everything to 24 kHz, which is right for an agent; a score also
depends on the rate that a file was stored at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from voiceagent_codec.files import whole_file

from voiceagent.audio.framing import Samples
from voiceagent.bench.speech import RATE_HZ as DETECTOR_HZ
from voiceagent.errors import AudioFileError


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One file.

    Attributes:
        pcm: f32[N], the mean of its channels.
        rate_hz: as stored.
    """

    pcm: Samples
    rate_hz: int

    @property
    def duration_s(self) -> float:
        """Its length."""
        return len(self.pcm) / self.rate_hz

    def at(self, rate_hz: int) -> Samples:
        """The sound at another rate, f32[N]."""
        if rate_hz == self.rate_hz:
            return self.pcm
        return np.asarray(soxr.resample(self.pcm, self.rate_hz, rate_hz), np.float32)

    def for_detector(self, ignores_rate: bool = False) -> Samples:
        """At 16 kHz, or as it is where the detector takes every rate for that."""
        return self.pcm if ignores_rate else self.at(DETECTOR_HZ)


def read_sound(path: Path) -> Sound:
    """Read a file whole.

    Raises:
        AudioFileError: missing, damaged, cut short, empty, or with samples that are not finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            promised, rate_hz = _promised_frames(path, file), file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioFileError(str(path), f"cannot be read as sound ({error})") from error
    if not len(samples):
        raise AudioFileError(str(path), "holds no samples")
    if len(samples) < promised:
        reason = f"is cut short: its header promises {promised} samples, it holds {len(samples)}"
        raise AudioFileError(str(path), reason)
    if not np.isfinite(samples).all():
        raise AudioFileError(str(path), "holds samples that are not finite (NaN or infinity)")
    return Sound(samples.mean(axis=1, dtype=np.float32), rate_hz)


def fit(pcm: Samples, num_samples: int) -> Samples:
    """Bring a sound to a length: silence at the end, or cut."""
    cut = pcm[:num_samples]
    return np.pad(cut, (0, num_samples - len(cut)))


def write_sound(path: Path, sound: Sound) -> None:
    """Write 16-bit PCM at the sound's own rate, whole or not at all.

    What was read from such a file comes out as it was, bit by bit.

    Raises:
        AudioFileError: the folder cannot be written.
    """
    samples = np.clip(np.round(sound.pcm * 32768.0), -32768, 32767).astype(np.int16)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial, partial.open("wb") as file:
            soundfile.write(file, samples, sound.rate_hz, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(str(path), f"cannot be written ({error})") from error


def _promised_frames(path: Path, file: soundfile.SoundFile) -> int:
    """What the header of a plain wav says; libsndfile silently believes a shorter file."""
    head = path.read_bytes()[: 1 << 12] if file.format in ("WAV", "WAVEX") else b""
    at = head.find(b"data")
    if at < 0 or not file.subtype.startswith("PCM_"):
        return int(file.frames)
    promised_bytes = int.from_bytes(head[at + 4 : at + 8], "little")
    width = int(file.subtype[4:]) // 8 if file.subtype[4:].isdecimal() else 1
    if promised_bytes >= 0xFFFFFFFE - 44 or promised_bytes == 0:  # written to a pipe: not known
        return int(file.frames)
    return promised_bytes // (width * file.channels)
