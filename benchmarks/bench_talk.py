"""How well the embedded agent listens and talks: answers, a long call, silence, interruptions.

Speech in voices that no training set may contain is played to the engine, 80 ms at a time. Judged
are the agent's text, and its *sound* by an independent recogniser. Everything is drawn from
`--seed`, and nothing is tuned on it. The voices come from `make peers`. About six minutes on one
core; not here: how fast a step is (`bench_step`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from harness import finish, make_parser, print_card, print_table, start
from peer_voices import peer_or_speaker, restart_voices
from talk_answers import UNSEEN, measure_answers
from talk_overlaps import YIELD_LIMIT_MS, measure_overlaps
from talk_play import NUM_SLOTS, play_all
from tqdm import tqdm

from voiceagent.audio.framing import SAMPLE_RATE_HZ
from voiceagent.errors import VoiceAgentError
from voiceagent.scenes import Rendered, make_session, render
from voiceagent.scenes.noise import white_noise
from voiceagent.scenes.seeds import child_rng
from voiceagent.serving.playback import SILENCE_MS, SILENT_BELOW_DBFS, Playback

MEASURES = ("answers", "session", "silence", "interruption")
SESSION_TURNS, SESSION_MS, SESSION_GAP_MS = 20, 180_000, (4_500, 5_700)
# the last is of a kind that the model was trained on, to tell a hard voice from a long call
SESSION_VOICES = ("flite:kal", "kokoro:mix-0", "kokoro:mix-1", "piper:joe", "hibari:warp-1")
SILENCE_SECONDS = 60
NOISE_DBFS = (-60.0, -46.0, -34.0)


def main() -> None:
    """Measure what was asked for."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=MEASURES)
    parser.add_argument("--voices", nargs="+", choices=UNSEEN, default=UNSEEN)
    parser.add_argument("--questions", type=int, default=24, help="per voice (default: 24)")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    start(options)
    print_card(
        "bench_talk: the embedded agent against voices it was not trained on",
        {
            "answers": f"{options.questions} questions per voice; whole answer in the text, and "
            "Whisper tiny.en on the sound (wanted: .90 of the words); shuffled answers (<= .05)",
            "session": f"{SESSION_TURNS} questions in one call of {SESSION_MS // 1000} s "
            "(wanted: 19 right)",
            "silence": f"{SILENCE_SECONDS} s, digital silence and white noise (wanted: no word)",
            "interruption": f"onset to silence, p50 (wanted: <= {YIELD_LIMIT_MS} ms); silence is "
            f"{SILENCE_MS} ms below {SILENT_BELOW_DBFS:g} dBFS",
        },
    )
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "answers": lambda: measure_answers(options.voices, options.questions, options.seed),
        "session": lambda: measure_sessions(options.seed),
        "silence": lambda: measure_silence(options.seed),
        "interruption": lambda: measure_overlaps(options.seed),
    }
    results = {}
    try:
        for name in options.only:
            restart_voices()
            results[name] = measures[name]()
    except VoiceAgentError as error:
        sys.exit(f"bench_talk: {error}")
    config = {
        "model": "nano",
        "num_slots": NUM_SLOTS,
        "seed": options.seed,
        "questions": options.questions,
        "judge": "whisper tiny.en int8",
    }
    finish("talk", config, results, options)


def measure_sessions(seed: int) -> dict[str, Any]:
    """Ask twenty questions in one call, once per voice."""
    scenes = []
    for i, voice in enumerate(tqdm(SESSION_VOICES, "sessions: speaking", leave=False)):
        script = make_session(seed + i, SESSION_TURNS, voice=voice, gap_ms=SESSION_GAP_MS)
        scenes.append(render(replace(script, min_duration_ms=SESSION_MS), peer_or_speaker))
    playbacks = play_all([scene.user for scene in scenes], "sessions: answering")
    results: dict[str, Any] = {}
    for voice, scene, playback in zip(SESSION_VOICES, scenes, playbacks, strict=True):
        wrong = wrong_in_session(scene, playback)
        results[voice] = {
            "n": SESSION_TURNS,
            "right": SESSION_TURNS - len(wrong),
            "seconds": scene.scene.duration_ms // 1000,
            "wrong": wrong,
        }
    print_table(
        ("session", "questions", "right", "seconds"),
        [(voice, row["n"], row["right"], row["seconds"]) for voice, row in results.items()],
    )
    return results


def wrong_in_session(rendered: Rendered, playback: Playback) -> list[dict[str, str]]:
    """Questions not answered, wholly and with nothing else, before the next one begins."""
    questions = rendered.scene.of_kind("question")
    ends_ms = (*(question.start_ms for question in questions[1:]), None)
    wrong = []
    for question, end_ms, answer in zip(
        questions, ends_ms, rendered.scene.expected.answers, strict=True
    ):
        said = playback.said_text(question.start_ms, end_ms)
        if said != answer:
            heard = playback.heard_text(question.start_ms, end_ms)
            wrong.append({"asked": question.text, "heard": heard, "said": said})
    return wrong


def measure_silence(seed: int) -> dict[str, Any]:
    """Play a minute of nothing, and of noise, with the input gate and without."""
    num_samples = SILENCE_SECONDS * SAMPLE_RATE_HZ
    sounds = {"digital silence": np.zeros(num_samples, np.float32)}
    for dbfs in NOISE_DBFS:
        for take in (1, 2):
            rng = child_rng(seed, "bench_talk noise", str(dbfs), str(take))
            sounds[f"white noise {dbfs:g} dBFS, {take}"] = white_noise(rng, num_samples, dbfs)
    results: dict[str, Any] = {name: {} for name in sounds}
    for gate, gate_below_dbfs in (("gate", None), ("no_gate", -np.inf)):
        playbacks = play_all(list(sounds.values()), f"silence, {gate}", gate_below_dbfs)
        for name, playback in zip(sounds, playbacks, strict=True):
            results[name][f"words_{gate}"] = len(playback.said)
            results[name][f"is_heard_{gate}"] = playback.sound_from_ms() is not None
    rows = [(name, *row.values()) for name, row in results.items()]
    print_table(
        (f"{SILENCE_SECONDS} s of", "words", "any sound", "words, no gate", "any sound"), rows
    )
    return results


if __name__ == "__main__":
    main()
