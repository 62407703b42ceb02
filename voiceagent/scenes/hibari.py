"""hibari: a small neural voice with word and phone times, and any number of speakers made of it.

The network gives, per 12.5 ms, log spectra of a harmonic, a noise and a residual part, and the
pitch, of which `timbre` makes other people. Unwarped it is the agent's own voice. Not streaming: a
sentence is synthesised at once, about 70 x real time on one core of an AMD EPYC (2026-11-22).

Source: hibari-tts 0.2.1, hibari/tts.py and hibari/dsp.py.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voiceagent.audio.framing import Samples
from voiceagent.errors import SynthesisUnavailable
from voiceagent.scenes.phones import PAUSE, phone_of_hibari
from voiceagent.scenes.timbre import Spectra, Timbre, apply_timbre
from voiceagent.scenes.utterance import SAMPLES_PER_MS, Utterance, spoken

SPECTRUM_FRAME_MS = 12.5
# brings the loudest vowels of the plain voice to about .7
LOUDNESS = 2.0

_FIX = "pip install 'voiceagent[scenes]'"
# phoneme durations in units of 25 ms; not an output of the published graph
_DURATIONS = "/Round_output_0"
_FRAMES_PER_UNIT = 2
# the durations run 50 ms behind the sound: over 45 sentences the energy above 5 kHz fits the labels
# of sibilants best when they are 40 to 50 ms earlier (correlation .69), 2026-11-22
_LAG_FRAMES = 4
_FRAME_SAMPLES = 300
_STRESS = "ˈˌː"
_STOPS = frozenset("ptkbdg") | {"ch", "jh"}
# a frame below this share of the loud ones is silent, and so many in a row are a pause
_QUIET, _PAUSE_FRAMES = 0.025, 4
# G2P takes a capital "A" for the article, but "A." for the letter
_LETTER = re.compile(r"\b([A-Z])\b(?!\.)")


class HibariEngine:
    """Speaks as the plain voice or with a timbre; one per process, from `hibari_engine`."""

    def __init__(self) -> None:
        try:
            import hibari.dsp
            import hibari.voices
            import onnx
        except ImportError as error:
            raise SynthesisUnavailable("hibari", str(error), _FIX) from error
        model = onnx.load(hibari.voices.voice_path("heart"))
        if not any(_DURATIONS in node.output for node in model.graph.node):
            raise SynthesisUnavailable("hibari", "this version tells no durations", _FIX)
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
        self._tts = hibari.Hibari(model=model.SerializeToString(), threads=1)
        self._vocoder = hibari.dsp.synth
        self._lock = threading.Lock()
        self._phonemes: dict[str, tuple[str, ...]] = {}

    def say(
        self,
        text: str,
        rng: np.random.Generator,
        *,
        speed: float = 1.0,
        timbre: Timbre | None = None,
    ) -> Utterance:
        """Speak a text.

        Args:
            text: words separated by spaces; sentences by punctuation.
            rng: of the voice's noise, of an uneven pace and of which sounds are said otherwise.
            speed: factor on the pace, besides the timbre's.
            timbre: None is the plain voice.

        Raises:
            ValueError: there is nothing to say.
        """
        pieces: list[Samples] = []
        starts_ms: list[float] = []
        phones_ms: list[tuple[str, float]] = []
        length_ms = 0.0
        for phonemes in self.phonemes(text):
            made = phonemes
            if timbre is not None and timbre.pronunciation is not None:
                made = timbre.pronunciation.pronounce(phonemes, rng)
            spectra, starts = self.spectra(made, speed * (timbre.speed if timbre else 1.0))
            if timbre is not None:
                spectra, starts = apply_timbre(timbre, spectra, starts, rng)
            pieces.append(self.synthesise(spectra, rng))
            starts_ms += [
                length_ms + SPECTRUM_FRAME_MS * start
                for before, start in zip(" " + phonemes, starts, strict=False)
                if before == " "
            ]
            phones_ms += [
                (phone, length_ms + SPECTRUM_FRAME_MS * start)
                for phone, start in phones(phonemes, starts, pieces[-1])
            ]
            length_ms += len(pieces[-1]) / SAMPLES_PER_MS
        pcm = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        # where the pronunciation has another number of words ("3 pm"), letters must do
        known = dict(enumerate(starts_ms)) if len(starts_ms) == len(text.split()) else {}
        return spoken(pcm, text, known, phones_ms)

    def phonemes(self, text: str) -> tuple[str, ...]:
        """Return the pronunciation of each sentence, words separated by spaces."""
        with self._lock:
            if text not in self._phonemes:
                sentences = self._tts.phonemize(_LETTER.sub(r"\1.", text))
                known = self._tts.vocab
                self._phonemes[text] = tuple(
                    " ".join("".join(c for c in s if c in known).split()) for s in sentences
                )
            return self._phonemes[text]

    def spectra(self, phonemes: str, speed: float = 1.0) -> tuple[Spectra, list[int]]:
        """Run the network.

        Args:
            phonemes: one sentence of `phonemes`.
            speed: factor on the pace.

        Returns:
            The spectra, and the frame in which each symbol starts; at last where all ends.
        """
        feeds = {
            "ids": np.asarray([self._tts.ids(phonemes)], np.int64),
            "speed": np.asarray([speed], np.float32),
        }
        *outputs, durations = self._tts.sess.run(None, feeds)
        ends = np.cumsum(np.asarray(durations).ravel()).astype(int) * _FRAMES_PER_UNIT - _LAG_FRAMES
        starts = [max(int(end), 0) for end in ends[:-1]]  # the first id is a pad, and the last
        return Spectra(*(output[0] for output in outputs)), starts

    def synthesise(self, spectra: Spectra, rng: np.random.Generator) -> Samples:
        """Return the sound of the spectra, f32[300 * F] at 24 kHz within [-1, 1]."""
        parts = (getattr(spectra, field.name) for field in dataclasses.fields(spectra))
        pcm = np.nan_to_num(self._vocoder(*parts, rng)) * LOUDNESS
        return np.asarray(np.clip(pcm, -1.0, 1.0), np.float32)


@functools.cache
def hibari_engine() -> HibariEngine:
    """Return the engine of this process; the first takes about two seconds.

    Raises:
        SynthesisUnavailable: hibari-tts or onnx is not installed.
    """
    return HibariEngine()


def phones(phonemes: str, starts: Sequence[int], pcm: Samples) -> list[tuple[str, int]]:
    """Return the phones of a sentence with the frame in which each starts.

    Args:
        phonemes: of `HibariEngine.phonemes`.
        starts: of each symbol, and the end, as of `HibariEngine.spectra`.
        pcm: the sound, which tells pauses from long phones.
    """
    quiet = _quiet_frames(pcm)
    found: list[tuple[str, int]] = [(PAUSE, 0)]
    begin: int | None = None
    for symbol, before, start, end in zip(
        phonemes, " " + phonemes, starts, starts[1:], strict=False
    ):
        phone = phone_of_hibari(symbol)
        if symbol in _STRESS:
            begin = start if begin is None else begin
            continue
        if phone == "r" and before in "ɜə":
            found[-1] = ("er", found[-1][1])  # one r-coloured vowel
        elif phone is not None:
            found.append((phone, start if begin is None else begin))
        elif symbol != " " or quiet[start:end].mean() > 0.5:
            found.append((PAUSE, start))
        sound = np.flatnonzero(~quiet[start:end])
        last = start + int(sound[-1]) + 1 if len(sound) else start
        if phone is not None and phone not in _STOPS and end - last > _PAUSE_FRAMES:
            found.append((PAUSE, last))
        begin = None
    return [*found, (PAUSE, starts[-1])]


def _quiet_frames(pcm: Samples) -> NDArray[np.bool_]:
    frames = pcm[: len(pcm) // _FRAME_SAMPLES * _FRAME_SAMPLES].reshape(-1, _FRAME_SAMPLES)
    rms = np.sqrt(np.mean(np.square(frames), axis=1) + 1e-12)
    return np.asarray(rms < _QUIET * np.percentile(rms, 97), np.bool_)
