"""The part of bench_nano about the agent's sound: is it understood, is it that voice."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch
from harness import interval_95, percentiles
from nano_play import play_model
from talk_answers import draw_turns, question_script
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_SAMPLES, SAMPLE_RATE_HZ
from voiceagent.model.checkpoint import open_model
from voiceagent.scenes import AGENT_VOICE, render, speaker
from voiceagent.scenes.domain import agent_sentences
from voiceagent.scenes.seeds import child_rng
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.testing.recogniser import Recogniser
from voiceagent.testing.words import word_accuracy

Row = dict[str, Any]

_DELAY_SAMPLES = 720  # by which the voice runs behind its codes
_WIDE_BAND_HZ = 16_000
_STEPS, _WARM_UP = 300, 30


def measure_answers_sound(model: str | Path, count: int, seed: int) -> Row:
    """Spoken answers, transcribed by a recogniser that knows no grammar."""
    turns = draw_turns(count, seed)
    voices = [f"hibari:warp-{i}" for i in range(count)]
    scenes = [
        render(question_script(turn, voice, seed + i))
        for i, (turn, voice) in enumerate(zip(turns, voices, strict=True))
    ]
    playbacks = play_model(model, [scene.user for scene in scenes], "answers")
    recogniser = Recogniser()
    pairs = [
        (playback.said_text(), recogniser.transcribe(playback.agent))
        for playback in tqdm(playbacks, "judging", leave=False)
        if playback.said
    ]

    def accuracy(items: list[tuple[str, str]]) -> float:
        return word_accuracy([meant for meant, _ in items], [heard for _, heard in items])

    return {
        "n": len(pairs),
        "word_accuracy": round(accuracy(pairs), 4),
        "word_accuracy_95": interval_95(pairs, accuracy),  # type: ignore[arg-type]
    }


def measure_codec(model: str | Path, count: int, seed: int) -> Row:
    """The agent's voice through the codec alone: STOI, PESQ and words understood."""
    codec = open_model(model).load_codec(with_agent_encoder=True)
    rng = child_rng(seed, "bench_nano codec")
    # a time of day can be written down in too many ways
    plain = [text for text in agent_sentences() if not text.startswith("it is ")]
    texts = [str(text) for text in rng.choice(plain, count, replace=False)]
    recogniser = Recogniser()
    stoi, pesq, heard = [], [], []
    for i, text in enumerate(tqdm(texts, "codec", leave=False)):
        pcm = speaker(AGENT_VOICE).say(text, 10_000 + i).pcm
        padded = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES + FRAME_SAMPLES))
        sound = codec.decode_agent(codec.encode_agent(torch.from_numpy(padded)[None]))[0].numpy()
        said, meant = sound[_DELAY_SAMPLES:], padded[:-_DELAY_SAMPLES]
        heard.append(recogniser.transcribe(np.pad(said, 12_000).astype(np.float32)))
        stoi.append(_stoi(meant, said))
        pesq.append(_pesq(meant, said))
    return {
        "n": count,
        **_mean("stoi", stoi),
        **_mean("pesq", pesq),
        "word_accuracy": round(word_accuracy(texts, heard), 4),
    }


def measure_step(models: dict[str, str | Path]) -> Row:
    """One whole step of each model, turn about, one thread."""
    noise = (0.05 * np.random.default_rng(0).standard_normal(FRAME_SAMPLES)).astype(np.float32)
    engines = {name: Engine.load(model, EngineConfig()) for name, model in models.items()}
    sessions = {name: engine.open_session() for name, engine in engines.items()}
    times: dict[str, list[float]] = {name: [] for name in models}
    for step in range(_STEPS + _WARM_UP):
        for name, engine in engines.items():
            sessions[name].push(noise)
            begin = time.perf_counter()
            engine.step()
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
