"""The part of bench_nano about single questions: who asks, in what noise, and what is not known."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from harness import interval_95, share
from nano_play import Player
from peer_voices import HUMAN_PROMPTS, voice_id
from speech_cache import cached_speaker
from talk_answers import draw_turns, human_turns, question_script
from tqdm import tqdm

from voiceagent.audio.framing import Samples
from voiceagent.audio.wav import read_wav
from voiceagent.scenes import Conditions, Rendered, render
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
HUMAN = "human:allison"
#: Whom no training run has heard; flite's kal also with other pitch and formants.
VOICES = ("kokoro", "piper:joe", HUMAN, "flite:kal", "flite:kal x1.15", "flite:kal x0.87")
_WHITE_NOISE_DB = {f"white noise {snr} dB": snr for snr in (20, 10, 5)}
CONDITIONS = (*_WHITE_NOISE_DB, "babble 10 dB", "room", "G.711")
QUICK_VOICES, QUICK_CONDITIONS = VOICES[:3], tuple(_WHITE_NOISE_DB)[1:]
_THREE = ("flite:kal", "kokoro", "piper:joe")
_MOMENTS = tuple(
    datetime.datetime(2026, 11, day, hour, minute)
    for day, hour, minute in ((2, 9, 5), (10, 12, 0), (18, 15, 30), (29, 20, 47))
)
# sentences of Allison's that are neither in the domain nor a single word of it
_LEAST_PROMPT_S, _MOST_PROMPT_S, _NUM_PROMPTS = 1.2, 6.0, 60

Row = dict[str, Any]


def measure_voices(player: Player, count: int, seed: int, voices: Sequence[str] = VOICES) -> Row:
    """Questions of the domain in voices never trained on, clean."""
    turns = {
        voice: human_turns(seed, count // 2) if voice == HUMAN else draw_turns(count, seed)
        for voice in voices
    }
    sounds = {voice: heard(ask(asked, voice, seed)) for voice, asked in turns.items()}
    played = player.play(sounds)
    rows = {voice: judge(asked, played[voice]) for voice, asked in turns.items()}
    inside = sum(row["n"] for row in rows.values())
    mistaken = sum(row["mistaken"] for row in rows.values())
    rows["all"] = {"n": inside, "mistaken": mistaken, **share("refused", mistaken, inside)}
    return rows


def measure_facts(player: Player, count: int, seed: int) -> Row:
    """Time and day, which the server says through the model, at moments that stand still."""
    texts = (*TIME_QUESTIONS, *DAY_QUESTIONS)
    each = max(1, count // len(_MOMENTS))
    asked = [
        [turn_for(texts[(i + 3 * k) % len(texts)]) for i in range(each)]
        for k in range(len(_MOMENTS))
    ]
    sounds = [heard(ask_by_turns(turns, seed + 1000 * k)) for k, turns in enumerate(asked)]
    turns: list[Turn] = []
    playbacks: list[Playback] = []
    for now, mine, pcm in zip(_MOMENTS, asked, sounds, strict=True):
        playbacks += player.play({f"{now:%H:%M}": pcm}, now=now)[f"{now:%H:%M}"]
        turns += [replace(turn, agent_text=fact(turn.request or "", now)) for turn in mine]
    return {
        intent: judge(
            [turn for turn in turns if turn.intent == intent],
            [p for p, turn in zip(playbacks, turns, strict=True) if turn.intent == intent],
        )
        for intent in FACT_INTENTS
    }


def measure_conditions(
    player: Player, count: int, seed: int, conditions: Sequence[str] = CONDITIONS
) -> Row:
    """The same questions of other people under noise, in a crowd, in a room, by telephone."""
    turns = draw_turns(count, seed)
    clean = ask(turns, "kokoro", seed)
    in_room = ask(turns, "kokoro", seed, Conditions(is_in_room=True))
    crowd = [
        cached_speaker(f"hibari:warp-{i}").say(text).pcm for i, text in enumerate(BACKGROUND_SPEECH)
    ]

    def sound(condition: str, i: int) -> Samples:
        pcm, speech = clean[i].user, speech_dbfs(clean[i])
        rng = child_rng(seed + i, "bench_nano", condition)
        if condition == "room":
            return in_room[i].user
        if condition == "G.711":
            return telephone(np.clip(pcm, -1, 1))
        if condition == "babble 10 dB":
            return pcm + babble(rng, crowd[i % 4 : i % 4 + 4], len(pcm), speech - 10)
        return pcm + white_noise(rng, len(pcm), speech - _WHITE_NOISE_DB[condition])

    sounds = {name: [sound(name, i) for i in range(count)] for name in conditions}
    played = player.play(sounds)
    return {name: judge(turns, playbacks) for name, playbacks in played.items()}


def measure_outside(player: Player, count: int, seed: int) -> Row:
    """What is not in the domain: new sentences, near misses, and a person's telephone prompts."""
    turns = {
        name: [turn_for(text) for _ in _THREE for text in texts][: count // 2]
        for name, texts in (("new", HELD_OUT_SENTENCES), ("near misses", NEAR_MISSES))
    }
    sounds = {name: heard(ask_by_turns(asked, seed)) for name, asked in turns.items()}
    sounds["human prompts"] = human_prompts()[:count]
    turns["human prompts"] = [Turn("ood", "", REFUSAL)] * len(sounds["human prompts"])
    played = player.play(sounds)
    rows = {name: judge(asked, played[name]) for name, asked in turns.items()}
    n = rows["new"]["n"] + rows["near misses"]["n"]
    right = rows["new"]["right"] + rows["near misses"]["right"]
    return {**rows, "new and near misses": {"n": n, "right": right, **share("exact", right, n)}}


def ask(
    turns: Sequence[Turn], voice: str, seed: int, conditions: Conditions | None = None
) -> list[Rendered]:
    """Speak single questions; Kokoro each as somebody else."""
    return [
        render(
            replace(
                question_script(turn, voice_id(voice, i), seed + i),
                conditions=conditions or Conditions(),
            ),
            cached_speaker,
        )
        for i, turn in enumerate(tqdm(turns, f"{voice}: speaking", leave=False))
    ]


def ask_by_turns(turns: Sequence[Turn], seed: int) -> list[Rendered]:
    """Speak single questions in several voices: the same text in every one in the end."""
    texts = list(dict.fromkeys(turn.user_text for turn in turns))
    voices = [_THREE[(i + i // len(texts)) % len(_THREE)] for i in range(len(turns))]
    return [
        render(question_script(turn, voice_id(voice, i), seed + i), cached_speaker)
        for i, (turn, voice) in enumerate(zip(turns, voices, strict=True))
    ]


def heard(scenes: Sequence[Rendered]) -> list[Samples]:
    """What the microphone hears of scenes."""
    return [scene.user for scene in scenes]


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
