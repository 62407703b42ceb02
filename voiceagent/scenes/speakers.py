"""Speakers by id: one string names a voice for ever, so a scene can be rendered again.

``espeak:en-us+f2``, ``flite:slt`` and ``hibari:heart`` are voices as they come; ``espeak:seed-7``,
``flite:seed-7`` and ``hibari:warp-7`` are people made up from a seed: voice, pace, pitch,
formants. Making a speaker loads nothing; the first sentence loads the synthesiser.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from voiceagent.errors import ConfigError
from voiceagent.scenes import espeak, flite, hibari
from voiceagent.scenes.seeds import child_rng, draw_seed, pick
from voiceagent.scenes.timbre import Timbre, random_timbre
from voiceagent.scenes.utterance import Utterance

KINDS = ("espeak", "flite", "hibari")
AGENT_VOICE = "hibari:heart"
# voices that no training set may contain: they are what "unseen voice" means in our tables
HELD_OUT = frozenset(f"flite:{voice}" for voice in flite.HELD_OUT_VOICES)

_FLITE_TRAINING_VOICES = tuple(v for v in flite.VOICES if v not in flite.HELD_OUT_VOICES)
# half of the made-up people are natural voices, as in the training of the embedded model
_SHARES = {"espeak": 0.25, "flite": 0.25, "hibari": 0.5}
_KNOWN = (
    "espeak:<accent>[+<variant>] with an accent of " + ", ".join(espeak.ACCENTS),
    "flite:<voice> with a voice of " + ", ".join(flite.VOICES),
    AGENT_VOICE,
    "espeak:seed-<n>, flite:seed-<n>, hibari:warp-<n>",
)


class Speaker(Protocol):
    """Somebody who can say any text."""

    @property
    def id(self) -> str:
        """The name that `speaker` turns back into this speaker."""

    @property
    def kind(self) -> str:
        """Which synthesiser: one of `KINDS`."""

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak a text of words separated by spaces.

        Args:
            text: what to say.
            take: another number is another rendering, up to 8 % faster or slower; the same number
                gives the same samples.

        Raises:
            SynthesisUnavailable: the synthesiser is not installed.
            ValueError: there is nothing to say.
        """


@dataclass(frozen=True, slots=True)
class EspeakSpeaker:
    """A voice of espeak-ng."""

    id: str
    voice: str
    rate_wpm: int = 170
    pitch: int = 50
    pitch_range: int = 50
    warp: float = 1.0
    kind: str = "espeak"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; see `Speaker.say`."""
        return espeak.espeak_engine().say(
            text,
            self.voice,
            rate_wpm=round(self.rate_wpm * _pace(self.id, text, take)),
            pitch=self.pitch,
            pitch_range=self.pitch_range,
            warp=self.warp,
        )


@dataclass(frozen=True, slots=True)
class FliteSpeaker:
    """A voice of flite."""

    id: str
    voice: str
    stretch: float = 1.0
    warp: float = 1.0
    kind: str = "flite"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; see `Speaker.say`."""
        stretch = self.stretch / _pace(self.id, text, take)
        return flite.flite_engine().say(text, self.voice, stretch=stretch, warp=self.warp)


@dataclass(frozen=True, slots=True)
class HibariSpeaker:
    """The plain voice of hibari, or a person made from it."""

    id: str
    timbre: Timbre | None = None
    kind: str = "hibari"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; see `Speaker.say`."""
        speed = _pace(self.id, text, take)
        rng = child_rng(take, "sound", self.id, text)
        return hibari.hibari_engine().say(text, rng, speed=speed, timbre=self.timbre)


@functools.lru_cache(maxsize=256)
def speaker(speaker_id: str) -> Speaker:
    """Return the speaker of an id.

    Raises:
        ConfigError: there is none; names those there are.
    """
    kind, _, name = speaker_id.partition(":")
    label, _, digits = name.rpartition("-")
    if digits.isdecimal() and (kind, label) in _MADE_UP:
        return _MADE_UP[kind, label](speaker_id, int(digits))
    if kind == "espeak" and espeak.is_voice(name):
        return EspeakSpeaker(speaker_id, name)
    if kind == "flite" and name in flite.VOICES:
        return FliteSpeaker(speaker_id, name)
    if speaker_id == AGENT_VOICE:
        return HibariSpeaker(speaker_id)
    raise ConfigError(f"there is no speaker {speaker_id!r}; there are: {'; '.join(_KNOWN)}")


def random_speaker(rng: np.random.Generator, kinds: Sequence[str] = KINDS) -> Speaker:
    """Make up a speaker; never one of `HELD_OUT`.

    Args:
        rng: where the draws come from.
        kinds: those of `KINDS` to choose from; natural voices are as frequent as the two others.

    Raises:
        ConfigError: there is no such kind.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(
                f"there is no kind of speaker {kind!r}; there are: {', '.join(KINDS)}"
            )
    shares = np.array([_SHARES[kind] for kind in kinds])
    kind = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]
    return speaker(f"{kind}:{'warp' if kind == 'hibari' else 'seed'}-{draw_seed(rng)}")


def _made_up_espeak(speaker_id: str, seed: int) -> Speaker:
    rng = child_rng(seed, "espeak speaker")
    return EspeakSpeaker(
        speaker_id,
        # half of them American, like the other synthesisers
        voice=f"{pick(rng, ('en-us', 'en-us', *espeak.ACCENTS))}+{pick(rng, espeak.VARIANTS)}",
        rate_wpm=int(rng.integers(120, 221)),
        pitch=int(rng.integers(15, 81)),
        pitch_range=int(rng.integers(20, 86)),
        warp=_random_warp(rng),
    )


def _made_up_flite(speaker_id: str, seed: int) -> Speaker:
    rng = child_rng(seed, "flite speaker")
    voice = pick(rng, _FLITE_TRAINING_VOICES)
    return FliteSpeaker(speaker_id, voice, rng.uniform(0.8, 1.3), _random_warp(rng))


def _made_up_hibari(speaker_id: str, seed: int) -> Speaker:
    return HibariSpeaker(speaker_id, random_timbre(child_rng(seed, "hibari speaker")))


_MADE_UP = {
    ("espeak", "seed"): _made_up_espeak,
    ("flite", "seed"): _made_up_flite,
    ("hibari", "warp"): _made_up_hibari,
}


def _random_warp(rng: np.random.Generator) -> float:
    """Half of the voices stay as they are."""
    return 1.0 if rng.random() < 0.5 else float(rng.uniform(0.76, 1.28))


def _pace(speaker_id: str, text: str, take: int) -> float:
    """Pace of one rendering; the first is the voice's own."""
    return (
        1.0 if take == 0 else float(child_rng(take, "pace", speaker_id, text).uniform(0.92, 1.08))
    )
