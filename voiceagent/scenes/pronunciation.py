"""Which sounds somebody puts in place of others: what tells accents apart.

Where one says θ another says s, t or f, where one says ɪ another says i, and "nineteen" is stressed
at its beginning or at its end. A recogniser that has heard one pronunciation takes "thursday" of
another for "tuesday" (`voiceagent/training/README.md`, "Accents"). Symbols are those of
`HibariEngine.phonemes`, each replaced by one, so that what is known of their times stays true.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from voiceagent.scenes.seeds import pick

# what people who learnt English late, or elsewhere, say instead
_ALTERNATIVES: Mapping[str, str] = {
    "θ": "stf",
    "ð": "dz",
    "ɹ": "lw",
    "w": "v",
    "v": "wb",
    "z": "s",
    "ʤ": "ʧʒ",
    "ʧ": "ʃ",
    "ʃ": "s",
    "ŋ": "n",
    "T": "td",
    "i": "ɪ",
    "ɪ": "iə",
    "ɛ": "æɪ",
    "æ": "ɛɑ",
    "ʌ": "ɑə",
    "ɐ": "ɑʌ",
    "ə": "ʌɛɑ",
    "ᵊ": "əɛ",
    "ɜ": "ɑʌɔ",
    "ɑ": "ɔʌ",
    "ɔ": "Oɑ",
    "ʊ": "u",
    "u": "ʊ",
    "A": "ɛ",
    "O": "ɔ",
}
_MOST_REPLACED = 0.35
_APPLIED = 0.85
_SHIFTED_STRESS = 0.3
_TWO_STRESSES = re.compile(r"(\S*)([ˈˌ])(\S*)([ˈˌ])(\S*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pronunciation:
    """Of one speaker.

    Attributes:
        instead: symbol -> the one that is said in its place.
        shifts_stress: of two stresses in a word, the weaker one becomes the stronger.
    """

    instead: Mapping[str, str] = field(default_factory=dict)
    shifts_stress: bool = False

    def pronounce(self, phonemes: str, rng: np.random.Generator) -> str:
        """Return how they say a sentence, as many symbols; now and then it is as others do.

        Args:
            phonemes: of `HibariEngine.phonemes`.
            rng: which sounds are replaced.
        """
        if self.shifts_stress:
            phonemes = _TWO_STRESSES.sub(r"\1\4\3\2\5", phonemes)
        return "".join(
            self.instead[symbol] if symbol in self.instead and rng.random() < _APPLIED else symbol
            for symbol in phonemes
        )


def random_pronunciation(rng: np.random.Generator) -> Pronunciation:
    """Draw an accent: from hardly any to a third of the sounds."""
    share = rng.uniform(0.0, _MOST_REPLACED)
    instead = {
        symbol: pick(rng, others)
        for symbol, others in _ALTERNATIVES.items()
        if rng.random() < share
    }
    return Pronunciation(instead=instead, shifts_stress=bool(rng.random() < _SHIFTED_STRESS))
