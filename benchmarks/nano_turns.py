"""The part of bench_nano about whose turn it is: calls, overlaps, pauses, holds, silence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from harness import interval_95, percentiles, share
from nano_answers import ask, error_rate, heard
from nano_play import NEVER_GATED_DBFS, Player, play_held
from peer_voices import voice_id
from speech_cache import cached_speaker
from talk_answers import draw_turns
from talk_overlaps import is_answering, score_yields
from tqdm import tqdm

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.scenes import Rendered, make_script, make_session, render
from voiceagent.scenes.domain import Turn
from voiceagent.scenes.noise import coloured_noise
from voiceagent.scenes.seeds import child_rng
from voiceagent.serving.playback import Playback
from voiceagent.training.evaluate import held_out_call, judge_call

Row = dict[str, Any]

_OVERLAPS = {
    "talk_to_others": "side_talk",
    "background_speech": "background",
    "backchannel": "backchannel",
}
_SCENE_VOICES = ("kokoro", "piper:joe", "flite:kal", None)
_ECHO_DB, _ECHO_DELAY_SAMPLES = -12.0, 2400
_HOLDS_MS = (480, 960, 1920)
_HOLD_ROOM_SAMPLES = 3 * SAMPLE_RATE_HZ
_SESSION_TURNS, _SESSION_MS, _SESSION_GAP_MS = 84, 600_000, (4_500, 5_700)
_NOISE_CALL_S = 60


def measure_calls(player: Player, count: int) -> Row:
    """Held-out calls of the hard generator."""
    calls = [
        held_out_call(seed, speaker_of=cached_speaker)
        for seed in tqdm(range(count), "calls: speaking", leave=False)
    ]
    played = player.play({"calls": [call.heard for call in calls]})["calls"]
    judged = [judge_call(call, playback) for call, playback in zip(calls, played, strict=True)]
    inside = [hit for call in judged for hit in call.inside]
    outside = [hit for call in judged for hit in call.outside]
    delays_ms = [delay for call in judged for delay in call.delays_ms]
    transcripts = [(call.errors, call.words) for call in judged if call.words]
    return {
        "calls": count,
        "in_domain": len(inside),
        **share("in_domain_exact", sum(inside), len(inside)),
        **share("refused", sum(call.refused for call in judged), len(inside)),
        "outside": len(outside),
        **share("outside_refused", sum(outside), len(outside)),
        "user_words": sum(words for _, words in transcripts),
        "user_wer": round(error_rate(transcripts), 4) if transcripts else None,
        "user_wer_95": interval_95(transcripts, error_rate) if transcripts else None,
        **delays("first_word", delays_ms),
    }


def measure_overlaps(player: Player, count: int, seed: int) -> Row:
    """What is no reason to stop, and what is."""
    # a few more than are asked for: in some the agent is not speaking
    scenes = {name: scenes_of(name, count + count // 5, seed) for name in _OVERLAPS}
    interruptions = scenes_of("interruption", count, seed)
    asked = draw_turns(count, seed)
    sounds = {name: heard(group) for name, group in scenes.items()}
    sounds["interruption"] = heard(interruptions)
    sounds["own_echo"] = heard(ask(asked, "kokoro", seed))
    played = player.play(sounds)
    rows = {
        name: score_finishes(group, played[name], _OVERLAPS[name]) for name, group in scenes.items()
    }
    echoes = [with_echo(*pair) for pair in zip(sounds["own_echo"], played["own_echo"], strict=True)]
    again = player.play({"own_echo": echoes})["own_echo"]
    rows["own_echo"] = score_echoes(asked, played["own_echo"], again)
    rows["interruption"] = score_yields(
        list(zip(interruptions, played["interruption"], strict=True))
    )
    return rows


def delays(name: str, delays_ms: Sequence[int]) -> Row:
    """Percentiles of a delay, and the intervals of two of them."""
    row: Row = {f"num_{name}": len(delays_ms), f"{name}_ms": percentiles(delays_ms)}
    for p in (50, 90) if delays_ms else ():
        row[f"{name}_p{p}_95"] = interval_95(delays_ms, lambda ms, p=p: float(np.percentile(ms, p)))
    return row


def measure_pauses(player: Player, count: int, seed: int) -> Row:
    """Whether the agent begins while the user only pauses."""
    scenes = scenes_of("pause", count, seed)
    playbacks = player.play({"pause": heard(scenes)})["pause"]
    cut = right = 0
    for scene, playback in zip(scenes, playbacks, strict=True):
        part, question = scene.scene.of_kind("part", "question")
        cut += bool(playback.said_text(part.start_ms, question.end_ms))
        right += playback.said_text(question.end_ms) == scene.scene.expected.answers[0]
    return {
        "n": count,
        **share("cut_off", cut, count),
        **share("then_right", right, count),
    }


def measure_holds(player: Player, count: int, seed: int) -> Row:
    """EPAD held back and then forced; and only let go."""
    turns = draw_turns(count, seed)
    sounds = heard(ask(turns, "kokoro", seed))
    length = max(map(len, sounds)) + _HOLD_ROOM_SAMPLES
    sounds = [np.pad(sound, (0, length - len(sound))) for sound in sounds]
    rows: Row = {}
    for hold_ms, is_forced in ((0, False), *((ms, True) for ms in _HOLDS_MS), (960, False)):
        said = play_held(player, sounds, hold_ms, is_forced=is_forced)
        right = sum(text == turn.agent_text for text, turn in zip(said, turns, strict=True))
        name = f"{hold_ms} ms, {'forced' if is_forced else 'let go'}"
        rows[name] = {"n": count, **share("exact", right, count)}
    return rows


def measure_age(player: Player, seed: int, voices: Sequence[str]) -> Row:
    """Ten minutes of questions: the first minute against the tenth."""
    scenes = []
    for i, voice in enumerate(tqdm(voices, "long calls: speaking", leave=False)):
        script = make_session(seed + i, _SESSION_TURNS, voice=voice, gap_ms=_SESSION_GAP_MS)
        scenes.append(render(replace(script, min_duration_ms=_SESSION_MS), cached_speaker))
    playbacks = player.play({"long calls": heard(scenes)})["long calls"]
    minutes: dict[int, list[bool]] = {}
    for scene, playback in zip(scenes, playbacks, strict=True):
        questions = scene.scene.of_kind("question")
        ends_ms = (*(question.start_ms for question in questions[1:]), None)
        for question, end_ms, answer in zip(
            questions, ends_ms, scene.scene.expected.answers, strict=True
        ):
            said = playback.said_text(question.start_ms, end_ms)
            minutes.setdefault(question.start_ms // 60_000, []).append(said == answer)
    return {
        f"minute {minute + 1}": {"n": len(hits), **share("exact", sum(hits), len(hits))}
        for minute, hits in sorted(minutes.items())
    }


def measure_nothing(player: Player, seed: int, minutes: int = 10) -> Row:
    """Noise, music and silence, without the input gate: words of the agent."""
    count = minutes * 60 // _NOISE_CALL_S
    samples = _NOISE_CALL_S * SAMPLE_RATE_HZ
    rng = child_rng(seed, "bench_nano nothing")
    sounds = {
        "noise": [coloured_noise(rng, samples, float(rng.uniform(-60, -30))) for _ in range(count)],
        "music": [music(rng, samples) for _ in range(count)],
        "silence": [np.zeros(samples, np.float32)] * count,
    }
    played = player.play(sounds, gate_below_dbfs=NEVER_GATED_DBFS)
    return {
        name: {"minutes": minutes, "words": sum(len(playback.said) for playback in playbacks)}
        for name, playbacks in played.items()
    }


def music(rng: np.random.Generator, samples: int) -> Samples:
    """Chords of plucked notes in a steady beat: no voice, but pitch and rhythm."""
    out = np.zeros(samples, np.float64)
    beat = int(rng.uniform(0.3, 0.6) * SAMPLE_RATE_HZ)
    for start in range(0, samples - beat, beat):
        length = min(4 * beat, samples - start)
        time = np.arange(length) / SAMPLE_RATE_HZ
        root = rng.choice((0, 3, 5, 7))
        for interval in (0, 4, 7):
            hz = 110 * 2 ** ((root + interval + 12 * rng.integers(3)) / 12)
            tone = sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 7))
            out[start : start + length] += tone * np.exp(-3 * time)
    return (out / np.abs(out).max() * 0.3).astype(np.float32)


def score_finishes(scenes: Sequence[Rendered], playbacks: Sequence[Playback], kind: str) -> Row:
    """Whether the agent ends its sentence and says nothing else."""
    finished = n = 0
    for scene, playback in zip(scenes, playbacks, strict=True):
        onset_ms = scene.scene.of_kind(kind)[0].start_ms
        if is_answering(scene, playback, onset_ms):
            n += 1
            finished += playback.said_text() == scene.scene.expected.answers[0]
    return {
        "scenes": len(scenes),
        "n": n,
        **share("finished", finished, n),
    }


def scenes_of(scene_class: str, count: int, seed: int) -> list[Rendered]:
    """Scenes in voices nobody trained on, and every fourth in a made-up one."""
    chosen = [_SCENE_VOICES[i % len(_SCENE_VOICES)] for i in range(count)]
    return [
        render(
            make_script(scene_class, seed + i, voice=voice and voice_id(voice, i)), cached_speaker
        )
        for i, voice in enumerate(tqdm(chosen, f"{scene_class}: speaking", leave=False))
    ]


def with_echo(recording: Samples, playback: Playback) -> Samples:
    """Add what the agent said, at -12 dB, 100 ms late."""
    late = np.pad(playback.agent, (_ECHO_DELAY_SAMPLES, 0))[: len(recording)]
    return (recording + np.float32(10 ** (_ECHO_DB / 20)) * late).astype(np.float32)


def score_echoes(
    asked: Sequence[Turn], alone: Sequence[Playback], echoed: Sequence[Playback]
) -> Row:
    """Of the answers that are right without an echo, those that are with it."""
    right = [
        after.said_text() == turn.agent_text
        for turn, before, after in zip(asked, alone, echoed, strict=True)
        if before.said_text() == turn.agent_text
    ]
    return {
        "scenes": len(asked),
        "n": len(right),
        **share("finished", sum(right), len(right)),
    }
