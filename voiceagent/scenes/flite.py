"""flite through its C libraries: five small American and Scottish voices, with word and
phone times.

``kal``, an 8 kHz diphone voice, is held out: no training set may contain it, so that it stays the
voice nobody has heard. The statistical voices draw from the C library's rand(), seeded here before
every utterance: the same text gives the same samples.

Source: flite 2.2, include/flite.h, cst_utterance.h, cst_relation.h, cst_item.h.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes.phones import phone_of_flite
from voiceagent.scenes.utterance import Utterance, spoken, to_24k

VOICES = ("slt", "rms", "awb", "kal16", "kal")
HELD_OUT_VOICES = frozenset({"kal"})

_FIX = "apt-get install libflite1"
_WORD_START = b"R:SylStructure.daughter.daughter.R:Segment.p.end"


class _Wave(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


class _Voice(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char_p), ("features", ctypes.c_void_p))


class FliteEngine:
    """Speaks with the voices of flite; one per process, from `flite_engine`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None)
        self._library = _load("libflite.so.1")
        for name in ("libflite_usenglish.so.1", "libflite_cmulex.so.1"):
            _load(name)
        _declare(self._library)
        self._library.flite_init()
        self._voices: dict[str, Any] = {}

    def say(
        self, text: str, voice: str = "slt", *, stretch: float = 1.0, warp: float = 1.0
    ) -> Utterance:
        """Speak a text.

        Args:
            text: words separated by spaces.
            voice: one of `VOICES`.
            stretch: of every duration; above 1 is slower.
            warp: see `to_24k`.

        Raises:
            ValueError: there is no such voice, or nothing to say.
        """
        if voice not in VOICES:
            raise ValueError(f"voice: expected one of {', '.join(VOICES)}, got {voice!r}")
        with self._lock:
            pcm, rate_hz, words, sounds = self._synthesise(text, voice, stretch)
        starts_ms = _word_starts_ms(text, words, warp)
        phones_ms = [(phone_of_flite(name), start_ms / warp) for name, start_ms in sounds]
        return spoken(to_24k(pcm, rate_hz, warp), text, starts_ms, phones_ms)

    def _synthesise(
        self, text: str, voice: str, stretch: float
    ) -> tuple[Samples, int, list[tuple[str, float]], list[tuple[str, float]]]:
        """Audio at the voice's rate, that rate, flite's own words and sounds with start in ms."""
        library, handle = self._library, self._voice(voice)
        library.feat_set_float(handle.contents.features, b"duration_stretch", stretch)
        self._libc.srand(1)
        utterance = library.flite_synth_text(text.encode(), ctypes.cast(handle, ctypes.c_void_p))
        try:
            wave = library.utt_wave(utterance).contents
            shared = np.ctypeslib.as_array(wave.samples, (wave.num_samples,))
            pcm = shared.astype(np.float32) / np.float32(32768)  # a copy: flite frees its own
            words = list(self._items(utterance, b"Word", _WORD_START))
            ends = list(self._items(utterance, b"Segment", b"end"))
            starts = [0.0, *(end_ms for _, end_ms in ends)]
            sounds = [(name, start) for (name, _), start in zip(ends, starts, strict=False)]
            return np.asarray(pcm, np.float32), int(wave.sample_rate), words, sounds
        finally:
            library.delete_utterance(utterance)

    def _items(self, utterance: Any, relation: bytes, time: bytes) -> Iterator[tuple[str, float]]:
        """Names and times in ms of what a relation of the utterance holds."""
        library = self._library
        item = library.relation_head(library.utt_relation(utterance, relation))
        while item:
            name = library.flite_ffeature_string(item, b"name").decode(errors="replace")
            yield name, 1000.0 * library.flite_ffeature_float(item, time)
            item = library.item_next(item)

    def _voice(self, voice: str) -> Any:
        if voice not in self._voices:
            register = getattr(_load(f"libflite_cmu_us_{voice}.so.1"), f"register_cmu_us_{voice}")
            register.restype = ctypes.POINTER(_Voice)
            register.argtypes = [ctypes.c_void_p]
            self._voices[voice] = register(None)
        return self._voices[voice]


@functools.cache
def flite_engine() -> FliteEngine:
    """Return the engine of this process.

    Raises:
        SynthesisUnavailable: flite is not installed.
    """
    return FliteEngine()


def _load(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise SynthesisUnavailable("flite", str(error), _FIX) from error


def _declare(library: ctypes.CDLL) -> None:
    """Tell ctypes the signatures: pointers do not fit its default, a 32-bit int."""
    pointer, string, real = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_float
    signatures: dict[str, tuple[Any, ...]] = {
        "flite_synth_text": (pointer, string, pointer),
        "utt_wave": (ctypes.POINTER(_Wave), pointer),
        "utt_relation": (pointer, pointer, string),
        "relation_head": (pointer, pointer),
        "item_next": (pointer, pointer),
        "flite_ffeature_float": (real, pointer, string),
        "flite_ffeature_string": (string, pointer, string),
        "delete_utterance": (None, pointer),
        "feat_set_float": (None, pointer, string, real),
    }
    for name, (result, *arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments


def _word_starts_ms(text: str, words: list[tuple[str, float]], warp: float) -> dict[int, float]:
    """Word index -> start. flite writes numbers out and splits "anna's" into two words."""
    starts: dict[int, float] = {}
    i = 0
    for index, token in enumerate(text.split()):
        if i >= len(words):
            break
        starts[index] = words[i][1] / warp
        letters, heard = _letters(token), _letters(words[i][0])
        i += 1
        while (
            i < len(words)
            and heard != letters
            and letters.startswith(heard + _letters(words[i][0]))
        ):
            heard += _letters(words[i][0])
            i += 1
        if heard != letters:
            return starts  # written in digits: what follows cannot be matched by letters
    return starts


def _letters(token: str) -> str:
    return "".join(character for character in token.lower() if character.isalnum())
