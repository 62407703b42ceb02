"""espeak-ng through its C library: robotic voices of many accents, with word and phone times.

The library keeps the phase of its oscillators from one utterance to the next, so the same sentence
sounds (and lasts) differently by what was said before it. It is therefore loaded afresh for every
utterance, 7 ms on one core of an AMD EPYC (2026-11-22): the same text gives the same samples.
Not thread-safe below; the lock here is what makes it so.

Source: espeak-ng 1.51, src/include/espeak-ng/speak_lib.h.
"""

from __future__ import annotations

import _ctypes
import ctypes
import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes.phones import phone_of_espeak
from voiceagent.scenes.utterance import Utterance, spoken, to_24k

ACCENTS = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
# those that whisper, croak or sound like a machine are left out: nobody calls with such a voice
VARIANTS = tuple(
    "f1 f2 f3 f4 f5 m1 m2 m3 m4 m5 m6 m7 m8 Alex Alicia Andrea Andy Annie Denis Diogo Gene Gene2 "
    "Henrique Hugo Jacky Lee Marco Mario Michael Mike adam anika antonio aunty belinda benjamin "
    "boris caleb david ed edward grandma grandpa gustave iven iven3 john kaukovalta klatt klatt2 "
    "klatt3 klatt4 linda marcelo max michel miguel norbert pablo paul pedro quincy rob robert "
    "sandro shelby steph travis victor zac".split()
)

_LIBRARY = "libespeak-ng.so.1"
_FIX = "apt-get install espeak-ng"
_FIX_SHARED = "speak in a process that does not load libespeak-ng for anything else"
_SYNCHRONOUS, _PHONEME_EVENTS, _DO_NOT_EXIT = 2, 0x1, 0x8000
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_END_OF_LIST, _EVENT_WORD, _EVENT_PHONEME = 0, 1, 7


class _EventId(ctypes.Union):
    _fields_ = (
        ("number", ctypes.c_int),
        ("name", ctypes.c_char_p),
        ("string", ctypes.c_char * 8),
    )


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    )


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


def is_voice(voice: str) -> bool:
    """Whether `voice` is an accent of `ACCENTS`, alone or with ``+`` and one of `VARIANTS`."""
    accent, plus, variant = voice.partition("+")
    return accent in ACCENTS and (not plus or variant in VARIANTS)


class EspeakEngine:
    """Speaks with any voice of espeak-ng; one per process, from `espeak_engine`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._libc = ctypes.CDLL(None)
        with self._fresh_library():
            pass

    def say(
        self,
        text: str,
        voice: str = "en-us",
        *,
        rate_wpm: int = 170,
        pitch: int = 50,
        pitch_range: int = 50,
        warp: float = 1.0,
    ) -> Utterance:
        """Speak a text.

        Args:
            text: words separated by spaces.
            voice: accent and variant, such as ``"en-us+f2"``.
            rate_wpm: words a minute, 80 to 450.
            pitch: 0 to 100.
            pitch_range: melody, 0 (monotone) to 100.
            warp: see `to_24k`.

        Raises:
            ValueError: espeak-ng has no such voice, or there is nothing to say.
        """
        with self._lock, self._fresh_library() as (library, rate_hz):
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise ValueError(f"voice: espeak-ng refuses {voice!r}")
            for parameter, value in ((_RATE, rate_wpm), (_PITCH, pitch), (_RANGE, pitch_range)):
                library.espeak_SetParameter(parameter, value, 0)
            pcm, events, sounds = _synthesise(library, text)
        starts_ms = _word_starts_ms(text, events, warp)
        phones_ms = [(phone_of_espeak(name), start_ms / warp) for name, start_ms in sounds]
        return spoken(to_24k(pcm, rate_hz, warp), text, starts_ms, phones_ms)

    @contextmanager
    def _fresh_library(self) -> Iterator[tuple[Any, int]]:
        """The library with all its state as at its first use, and its sample rate."""
        if _is_loaded(_LIBRARY):
            # it would keep its state, and its second start in a process hangs
            raise SynthesisUnavailable("espeak-ng", "something else has loaded it", _FIX_SHARED)
        try:
            library = ctypes.CDLL(_LIBRARY)
        except OSError as error:
            raise SynthesisUnavailable("espeak-ng", str(error), _FIX) from error
        try:
            options = _PHONEME_EVENTS | _DO_NOT_EXIT
            rate_hz = library.espeak_Initialize(_SYNCHRONOUS, 0, None, options)
            if rate_hz <= 0:
                raise SynthesisUnavailable("espeak-ng", "its voice data do not load", _FIX)
            self._libc.srand(1)  # breath and jitter of the variants come from rand()
            try:
                yield library, rate_hz
            finally:
                library.espeak_Terminate()  # else the next start hangs
        finally:
            _ctypes.dlclose(library._handle)


@functools.cache
def espeak_engine() -> EspeakEngine:
    """Return the engine of this process.

    Raises:
        SynthesisUnavailable: espeak-ng is not installed.
    """
    return EspeakEngine()


def _is_loaded(name: str) -> bool:
    try:
        handle = ctypes.CDLL(name, mode=os.RTLD_NOLOAD)
    except OSError:
        return False
    _ctypes.dlclose(handle._handle)
    return True


def _synthesise(
    library: Any, text: str
) -> tuple[Samples, list[tuple[int, int]], list[tuple[str, int]]]:
    """Audio at the library's rate; start in ms of each word by its position, and of each sound."""
    pieces: list[Any] = []
    words: list[tuple[int, int]] = []
    sounds: list[tuple[str, int]] = []

    def collect(wave: Any, num_samples: int, events: Any) -> int:
        if wave and num_samples > 0:
            pieces.append(np.ctypeslib.as_array(wave, (num_samples,)).copy())
        i = 0
        while events[i].type != _EVENT_END_OF_LIST:
            if events[i].type == _EVENT_WORD and events[i].length > 0:
                words.append((events[i].text_position - 1, events[i].audio_position))
            elif events[i].type == _EVENT_PHONEME:
                name = events[i].id.string.decode(errors="ignore")
                sounds.append((name, events[i].audio_position))
            i += 1
        return 0

    callback = _Callback(collect)
    library.espeak_SetSynthCallback(callback)
    encoded = text.encode()
    library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _CHARS_UTF8, None, None)
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
    return np.asarray(pcm / 32768.0, np.float32), words, sounds


def _word_starts_ms(text: str, events: list[tuple[int, int]], warp: float) -> dict[int, float]:
    """Word index -> start. A pair spoken as one, such as "of the", has one event."""
    starts: dict[int, float] = {}
    for position, start_ms in events:
        index = max(len(text[: position + 1].split()) - 1, 0)
        starts.setdefault(index, start_ms / warp)
    return starts
