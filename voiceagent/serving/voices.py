"""The registered voices: a folder in which every voice has an id, and nothing else is ever opened.

A voice is `ID.json` (what it is) beside `ID.wav` (its sound: 24 kHz mono at a set loudness, turned
into codes by whatever codec a model has) or `ID.safetensors` (a published voice, converted). Ids
come from callers and are checked before they become part of a path; no caller names a file. Not
here: codes and models (`prompts`).
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from voiceagent_codec.fields import check_fields
from voiceagent_codec.files import whole_file

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ, Samples
from voiceagent.audio.loudness import at_loudness
from voiceagent.audio.wav import read_wav, write_wav
from voiceagent.errors import AudioFileError, VoiceError
from voiceagent.serving.config import is_voice_id

if TYPE_CHECKING:
    from voiceagent.model.voice import Voice

#: What PersonaPlex brings its voices to before they are encoded.
LOUDNESS_LUFS = -24.0
MIN_SECONDS, MAX_SECONDS = 1.0, 60.0
#: More are registered than anybody chooses from.
MAX_LISTED = 256
_SUFFIXES = {"sound": ".wav", "embeddings": ".safetensors"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class VoiceInfo:
    """What is known of a voice without opening it.

    Attributes:
        id: its name.
        kind: its sound, or the embeddings of a published voice.
        source: name of the file that it was made of.
        frames: of 80 ms, and so steps that it takes.
        added_at: UTC, ISO 8601.
        sha256: of its file.
    """

    id: str
    kind: Literal["sound", "embeddings"]
    source: str
    frames: int
    added_at: str
    sha256: str

    def __post_init__(self) -> None:
        check_fields(self)


@dataclasses.dataclass(frozen=True, slots=True)
class VoiceRegistry:
    """Voices below one folder.

    Attributes:
        root: the folder; it need not exist.
    """

    root: Path

    def ids(self) -> list[str]:
        """Every registered voice by name, at most MAX_LISTED."""
        if not self.root.is_dir():
            return []
        names = sorted(path.stem for path in self.root.glob("*.json") if is_voice_id(path.stem))
        return names[:MAX_LISTED]

    def info(self, voice_id: str) -> VoiceInfo:
        """What a voice is.

        Raises:
            VoiceError: no such voice, naming those there are; or its description is damaged.
        """
        file = self._path(voice_id, ".json")
        try:
            return VoiceInfo(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            known = ", ".join(self.ids())
            there_are = f"there are {known}" if known else "none is registered"
            raise VoiceError(
                f"no voice '{voice_id}': {there_are}; 'voiceagent voices add ID FILE' registers one"
            ) from error
        except (OSError, TypeError, ValueError) as error:
            raise VoiceError(f"{file}: damaged ({error}); register the voice again") from error

    def add_sound(self, voice_id: str, file: Path) -> tuple[VoiceInfo, tuple[str, ...]]:
        """Register a recording.

        Returns:
            The voice, and what had to be changed, for the user to read.

        Raises:
            AudioFileError: it cannot be read, is too short or long, or silent.
            VoiceError: the id is none, or the folder cannot be written.
        """
        recording = read_wav(file)
        if not MIN_SECONDS <= recording.seconds <= MAX_SECONDS:
            raise AudioFileError(
                str(file),
                f"lasts {recording.seconds:.1f} s; a voice is {MIN_SECONDS:g} to {MAX_SECONDS:g} s "
                "of one person speaking",
            )
        pcm, gain_db = at_loudness(recording.pcm, LOUDNESS_LUFS)
        if pcm is None:
            raise AudioFileError(str(file), "is silent")
        path = self._writable(voice_id, ".wav")
        write_wav(path, pcm)
        frames = -(-len(pcm) // FRAME_SAMPLES)
        notes = (*recording.notes, f"{gain_db:+.1f} dB to {LOUDNESS_LUFS:g} LUFS")
        return self._describe(voice_id, "sound", file.name, frames), notes

    def add_published(self, voice_id: str, file: Path) -> VoiceInfo:
        """Convert a published `.pt` voice, once; see `model.voice.read_published`.

        Raises:
            VoiceError: the file is no such voice, the id is none, or the folder cannot be written.
        """
        from voiceagent.model.voice import read_published, write_voice

        voice = read_published(file)
        path = self._writable(voice_id, ".safetensors")
        try:
            write_voice(path, voice)
        except OSError as error:
            raise VoiceError(f"{path}: cannot be written ({error.strerror or error})") from error
        return self._describe(voice_id, "embeddings", file.name, voice.frames)

    def remove(self, voice_id: str) -> None:
        """Forget a voice.

        Raises:
            VoiceError: no such voice, or the folder cannot be written.
        """
        file = self._path(voice_id, ".json")
        if not file.exists():
            self.info(voice_id)  # says which there are
        try:
            for suffix in (".json", *_SUFFIXES.values()):
                self._path(voice_id, suffix).unlink(missing_ok=True)
        except OSError as error:
            raise VoiceError(f"{file}: cannot be removed ({error.strerror})") from error

    def sound(self, voice_id: str) -> Samples:
        """The sound of a voice of that kind: float32 [N], 24 kHz.

        Raises:
            VoiceError: it is missing or damaged.
        """
        path = self._path(voice_id, ".wav")
        try:
            return read_wav(path).pcm
        except AudioFileError as error:
            raise VoiceError(f"{error}; register the voice again") from error

    def embeddings(self, voice_id: str) -> Voice:
        """A voice of that kind.

        Raises:
            VoiceError: it is missing or damaged.
        """
        from voiceagent.model.voice import read_voice

        return read_voice(self._path(voice_id, ".safetensors"))

    def _path(self, voice_id: str, suffix: str) -> Path:
        if not is_voice_id(voice_id):
            raise VoiceError(
                f"'{voice_id[:80]}' is no id of a voice: 1 to 64 letters, digits, '_' and '-'"
            )
        return self.root / (voice_id + suffix)

    def _writable(self, voice_id: str, suffix: str) -> Path:
        """Where a voice will lie; the other kind under the same id goes."""
        path = self._path(voice_id, suffix)
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            for other in _SUFFIXES.values():
                if other != suffix:
                    self._path(voice_id, other).unlink(missing_ok=True)
        except OSError as error:
            raise VoiceError(f"{self.root}: cannot be written ({error.strerror})") from error
        return path

    def _describe(
        self, voice_id: str, kind: Literal["sound", "embeddings"], source: str, frames: int
    ) -> VoiceInfo:
        """Write the description last: a voice without one does not exist."""
        info = VoiceInfo(
            id=voice_id,
            kind=kind,
            source=source,
            frames=frames,
            added_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            sha256=hashlib.sha256(self._path(voice_id, _SUFFIXES[kind]).read_bytes()).hexdigest(),
        )
        path = self._path(voice_id, ".json")
        try:
            with whole_file(path) as partial:
                partial.write_text(json.dumps(dataclasses.asdict(info), indent=1) + "\n", "utf-8")
        except OSError as error:
            raise VoiceError(f"{path}: cannot be written ({error.strerror})") from error
        return info


def seconds_of(info: VoiceInfo) -> float:
    """How long a voice lasts."""
    return info.frames * FRAME_SAMPLES / SAMPLE_RATE_HZ
