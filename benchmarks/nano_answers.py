"""The part of bench_nano about single questions: who asks, in what noise, and what is not known."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import interval_95, share
from nano_play import play_model
from peer_voices import HUMAN_PROMPTS, peer_or_speaker, voice_id
from talk_answers import draw_turns, human_turns, question_script
from tqdm import tqdm

from voiceagent.audio.framing import Samples
from voiceagent.audio.wav import read_wav
from voiceagent.scenes import Conditions, Rendered, Speaker, render
from voiceagent.scenes.acoustics import telephone
from voiceagent.scenes.domain import (
    DAY_QUESTIONS,
    FACT_INTENTS,
    REFUSAL,
    TIME_QUESTIONS,
    Turn,
    turn_for,
)
from voiceagent.scenes.noise import babble, white_noise
from voiceagent.scenes.out_of_domain import BACKGROUND_SPEECH, HELD_OUT_SENTENCES
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.speakers import FliteSpeaker, speaker
from voiceagent.serving.facts import fact
from voiceagent.serving.playback import Playback
from voiceagent.testing.words import normalise, word_errors

DIGITS = frozenset("zero one two three four five six seven eight nine".split())
#: Like things of the domain, and not in its training templates.
NEAR_MISSES = tuple(
    "what is nine squared,add salt to the soup,when do you open the champagne,"
    "my name day is in june,how are you going to pay,what is seven eighths,are you open minded,"
    "thanks for nothing my friend,"
    "can you spell rhythm,what time do the shops in paris close,is friday the thirteenth unlucky,"
    "hello darkness my old friend,goodbye yellow brick road,count from one to ten,"
    "how much is the fish,who is anna karenina,what day does the museum open,say nothing,"
    "what is your favorite day,help yourself to some cake".split(",")
)
_WARPS = (1.15, 0.87)
_VOICES = ("flite:kal", "kokoro", "piper:joe")
_MOMENTS = tuple(
    datetime.datetime(2026, 11, day, hour, minute)
    for day, hour, minute in ((2, 9, 5), (10, 12, 0), (18, 15, 30), (29, 20, 47))
)
# sentences of Allison's that are neither in the domain nor a single word of it
_LEAST_PROMPT_S, _MOST_PROMPT_S, _NUM_PROMPTS = 1.2, 6.0, 60

Row = dict[str, Any]


def measure_voices(model: str | Path, voices: Sequence[str], count: int, seed: int) -> Row:
    """Questions of the domain in voices never trained on, clean."""
    rows: Row = {}
    for voice in voices:
        turns = human_turns(seed) if voice == "human:allison" else draw_turns(count, seed)
        scenes = ask(turns, lambda i, v=voice: voice_id(v, i), seed, peer_or_speaker, voice)
        rows[voice] = score(model, turns, [scene.user for scene in scenes], voice)
    for warp in _WARPS:
        turns = draw_turns(count, seed)
        kal = FliteSpeaker("flite:kal", "kal", 1.0, warp)
        scenes = ask(turns, lambda i: "flite:kal", seed, lambda _, k=kal: k, f"kal x{warp}")
        rows[f"flite:kal x{warp}"] = score(
            model, turns, [scene.user for scene in scenes], f"kal x{warp}"
        )
    asked = sum(row["n"] for row in rows.values())
    mistaken = sum(row["mistaken"] for row in rows.values())
    rows["all"] = {"n": asked, "mistaken": mistaken, **share("refused", mistaken, asked)}
    return rows


def measure_facts(model: str | Path, count: int, seed: int) -> Row:
    """Time and day, which the server says through the model, at moments that stand still."""
    asked = [turn_for(text) for text in (*TIME_QUESTIONS, *DAY_QUESTIONS)]
    turns: list[Turn] = []
    playbacks: list[Playback] = []
    for k, now in enumerate(_MOMENTS):
        mine = [asked[(i + 3 * k) % len(asked)] for i in range(max(1, count // len(_MOMENTS)))]
        scenes = ask(
            mine,
            lambda i, k=k: voice_id(_VOICES[(i // len(asked) + k) % len(_VOICES)], i),
            seed + 1000 * k,
            peer_or_speaker,
            f"{now:%H:%M}",
        )
        playbacks += play_model(model, [s.user for s in scenes], f"{now:%H:%M}", now=now)
        turns += [replace(turn, agent_text=fact(turn.request or "", now)) for turn in mine]
    return {
        intent: judge(
            [turn for turn in turns if turn.intent == intent],
            [p for p, turn in zip(playbacks, turns, strict=True) if turn.intent == intent],
        )
        for intent in FACT_INTENTS
    }


def measure_conditions(model: str | Path, voice: str, count: int, seed: int) -> Row:
    """The same questions under noise, in a crowd, in a room, over the telephone."""
    turns = draw_turns(count, seed)
    clean = ask(turns, lambda i: voice_id(voice, i), seed, peer_or_speaker, voice)
    wet = [
        render(
            replace(question_script(turn, voice_id(voice, i), seed + i), conditions=_ROOM),
            peer_or_speaker,
        ).user
        for i, turn in enumerate(turns)
    ]
    rng = child_rng(seed, "bench_nano noise")
    crowd = [speaker(f"hibari:warp-{i}").say(text).pcm for i, text in enumerate(BACKGROUND_SPEECH)]

    def noisy(scene: Rendered, snr_db: float) -> Samples:
        return scene.user + white_noise(rng, len(scene.user), speech_dbfs(scene) - snr_db)

    sounds = {f"white noise {snr} dB": [noisy(s, snr) for s in clean] for snr in (20, 10, 5)}
    sounds["babble 10 dB"] = [
        s.user + babble(rng, crowd[i % 4 : i % 4 + 4], len(s.user), speech_dbfs(s) - 10)
        for i, s in enumerate(clean)
    ]
    sounds["room"] = wet
    sounds["G.711"] = [telephone(np.clip(s.user, -1, 1)) for s in clean]
    return {name: score(model, turns, heard, name) for name, heard in sounds.items()}


def measure_outside(model: str | Path, count: int, seed: int) -> Row:
    """What is not in the domain: new sentences, near misses, and a person's telephone prompts."""
    rows: Row = {}
    for name, texts in (("new", HELD_OUT_SENTENCES), ("near misses", NEAR_MISSES)):
        turns = [turn_for(text) for text in texts for _ in _VOICES][:count]
        scenes = ask(
            turns, lambda i: voice_id(_VOICES[i % len(_VOICES)], i), seed, peer_or_speaker, name
        )
        rows[name] = score(model, turns, [scene.user for scene in scenes], name)
    n = sum(row["n"] for row in rows.values())
    right = sum(row["right"] for row in rows.values())
    rows["new and near misses"] = {"n": n, "right": right, **share("exact", right, n)}
    prompts = human_prompts()[:count]
    refused = [Turn("ood", "", REFUSAL)] * len(prompts)
    rows["human prompts"] = score(model, refused, prompts, "human prompts")
    return rows


def ask(
    turns: Sequence[Turn],
    voice_of: Callable[[int], str],
    seed: int,
    speaker_of: Callable[[str], Speaker],
    label: str,
) -> list[Rendered]:
    """Speak single questions."""
    return [
        render(question_script(turn, voice_of(i), seed + i), speaker_of)
        for i, turn in enumerate(tqdm(turns, f"{label}: speaking", leave=False))
    ]


def score(model: str | Path, turns: Sequence[Turn], heard: Sequence[Samples], label: str) -> Row:
    """Play questions and `judge` what comes."""
    return judge(turns, play_model(model, heard, label))


def judge(turns: Sequence[Turn], playbacks: Sequence[Playback]) -> Row:
    """Whole answers right, transcript, refusals by mistake, digits and pairs of digits."""
    said = [playback.said_text() for playback in playbacks]
    right = sum(text == turn.agent_text for text, turn in zip(said, turns, strict=True))
    digits = digits_right = pairs = pairs_right = 0
    transcripts = []
    for turn, playback in zip(turns, playbacks, strict=True):
        words = len(normalise(turn.user_text))
        transcripts.append((word_errors(turn.user_text, playback.heard_text()), words))
        asked = [word for word in turn.user_text.split() if word in DIGITS]
        if len(asked) == 2:
            found = [word for word in playback.heard_text().split() if word in DIGITS]
            hits = (found[:1] == asked[:1]) + (found[-1:] == asked[1:] and len(found) > 1)
            digits, digits_right = digits + 2, digits_right + hits
            pairs, pairs_right = pairs + 1, pairs_right + (hits == 2)
    n = len(turns)
    inside = [i for i, turn in enumerate(turns) if turn.intent != "ood"]
    row: Row = {"n": n, "right": right, **share("exact", right, n)}
    if inside:
        row |= {
            "user_wer": round(error_rate(transcripts), 4),
            "user_wer_95": interval_95(transcripts, error_rate),
            "mistaken": sum(said[i] == REFUSAL for i in inside),
        }
    if pairs:
        row |= {"num_digits": digits, **share("digits", digits_right, digits)}
        row |= {"num_pairs": pairs, **share("pairs", pairs_right, pairs)}
    row["wrong"] = [
        f"{turn.user_text} | {playback.heard_text()} | {text}"
        for turn, playback, text in zip(turns, playbacks, said, strict=True)
        if text != turn.agent_text
    ][:12]
    return row


def error_rate(transcripts: Sequence[tuple[int, int]]) -> float:
    """Word error rate of (errors, words)."""
    return sum(errors for errors, _ in transcripts) / max(1, sum(words for _, words in transcripts))


def speech_dbfs(scene: Rendered) -> float:
    """Level of the question's own sound."""
    event = scene.scene.events[0]
    speech = scene.user[event.start_ms * 24 : event.end_ms * 24]
    return float(10 * np.log10(np.mean(np.square(speech, dtype=np.float64)) + 1e-12))


def human_prompts() -> list[Samples]:
    """Sentences of a person, each with room for an answer."""
    found = []
    for path in sorted(HUMAN_PROMPTS.glob("*.wav")):
        recording = read_wav(path)
        if _LEAST_PROMPT_S <= recording.seconds <= _MOST_PROMPT_S and "-" in path.stem:
            pcm = recording.pcm / max(float(np.abs(recording.pcm).max()), 1e-4) * 0.5
            found.append(np.pad(pcm, (14_400, 24 * 5000)).astype(np.float32))
    step = max(1, len(found) // _NUM_PROMPTS)
    return found[::step][:_NUM_PROMPTS]


_ROOM = Conditions(is_in_room=True)
