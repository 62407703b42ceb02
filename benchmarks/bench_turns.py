"""What the turn-taking controller changes: the same scenes without it and with it, class by class.

The embedded model behind `SessionOptions(policy=...)`, in voices that no training run has, every
scene once for each policy. "good" is the outcome that Full-Duplex-Bench wants of the class: a turn
taken, a pause held and the turn then taken, an interruption honoured within a second, an overlap
that is none of the agent's business spoken through, nothing said into noise. Sums and rates are
over scenes; a difference is that of the same scene, with the interval of a paired bootstrap.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import (
    BOOTSTRAP_DRAWS,
    finish,
    make_parser,
    percentiles,
    print_card,
    print_table,
    start,
)
from peer_voices import peer_or_speaker, restart_voices, voice_id
from tqdm import tqdm
from turns_score import Score, score

from voiceagent.errors import VoiceAgentError
from voiceagent.scenes import SCENE_CLASSES, Rendered, make_script, render
from voiceagent.serving.config import EngineConfig, ObserveConfig, SessionOptions
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import play

NUM_SLOTS = 8
#: Kokoro costs two seconds of computing a second.
VOICES = ("flite:kal", "piper:joe", "flite:kal", "piper:joe", "flite:kal", "piper:joe", "kokoro")
#: A change for the worse by more than this is a loss; below that share there must be a gain.
LEAST_DIFFERENCE, GOOD_ENOUGH = -0.05, 0.8


def main() -> None:
    """Play every scene with both policies."""
    options = arguments()
    start(options)
    facts = {
        "policies": f"off against {options.policy}",
        "voices": ", ".join(dict.fromkeys(VOICES)),
        "expect": f"no class loses more than {-LEAST_DIFFERENCE:g} (lower bound); those below "
        f"{GOOD_ENOUGH:g} gain",
    }
    print_card(f"bench_turns: {options.count} scenes a class", facts)
    results = {}
    try:
        for scene_class in options.classes:
            restart_voices()
            results[scene_class] = measure_class(scene_class, options)
    except VoiceAgentError as error:
        sys.exit(f"bench_turns: {error}")
    show(results)
    config = {
        "model": options.model,
        "policy": options.policy,
        "seed": options.seed,
        "count": options.count,
    }
    finish("turns", config, results, options)


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--model", default="nano", help="name or folder (default: nano)")
    parser.add_argument("--policy", choices=("on", "shadow"), default="on")
    parser.add_argument("--classes", nargs="+", choices=SCENE_CLASSES, default=list(SCENE_CLASSES))
    parser.add_argument("--count", type=int, default=100, help="scenes a class (default: 100)")
    parser.add_argument("--seed", type=int, default=70_000, help="of the first scene")
    return parser.parse_args()


def measure_class(scene_class: str, options: argparse.Namespace) -> dict[str, Any]:
    """One class of scenes, each policy, and the difference."""
    scenes = [
        render(make_script(scene_class, options.seed + i, voice=_voice(i)), peer_or_speaker)
        for i in tqdm(range(options.count), f"{scene_class}: speaking", leave=False)
    ]
    scores = {
        policy: play_scenes(options.model, scenes, policy) for policy in ("off", options.policy)
    }
    off, on = scores.values()
    rows = {policy: summary(found) for policy, found in scores.items()}
    return {**rows, "difference": difference(off, on)}


def play_scenes(model: str, scenes: Sequence[Rendered], policy: str) -> list[Score]:
    """Every scene in a session of its own."""
    # nothing is paced here: a step waits until its frame has been judged
    observe = ObserveConfig(wait_ms=10_000)
    engine = Engine.load(model, EngineConfig(num_slots=NUM_SLOTS, observe=observe))
    frames = sum(len(scene.user) // 1920 for scene in scenes)
    with tqdm(total=frames, desc=f"{scenes[0].scene.scene_class}: {policy}", leave=False) as bar:
        sounds = [scene.user for scene in scenes]
        playbacks = play(engine, sounds, bar.update, SessionOptions(policy=policy))
    return [score(s.scene, playback) for s, playback in zip(scenes, playbacks, strict=True)]


def summary(scores: Sequence[Score]) -> dict[str, Any]:
    """Shares and times of one policy."""
    judged = [found.is_good for found in scores if found.is_good is not None]
    return {
        "scenes": len(scores),
        "n": len(judged),
        "good": _share(judged),
        "right": _share([found.is_right for found in scores]),
        "latency_ms": percentiles(
            [found.latency_ms for found in scores if found.latency_ms is not None], (50, 90, 95)
        ),
    }


def difference(off: Sequence[Score], on: Sequence[Score]) -> dict[str, Any]:
    """On - off of the scenes that both were judged in, 95 % by paired bootstrap."""
    pairs = [
        (a.is_good, b.is_good)
        for a, b in zip(off, on, strict=True)
        if a.is_good is not None and b.is_good is not None
    ]
    if not pairs:
        return {"n": 0}
    steps = np.array([float(b) - float(a) for a, b in pairs])
    draws = np.random.default_rng(0).integers(len(steps), size=(BOOTSTRAP_DRAWS, len(steps)))
    low, high = np.percentile(steps[draws].mean(axis=1), (2.5, 97.5))
    share_off = sum(a for a, _ in pairs) / len(pairs)
    is_enough = low > 0 if share_off < GOOD_ENOUGH else low >= LEAST_DIFFERENCE
    return {
        "n": len(pairs),
        "good": round(float(steps.mean()), 4),
        "good_95": (round(float(low), 3), round(float(high), 3)),
        "is_as_wanted": bool(is_enough),
    }


def show(results: dict[str, Any]) -> None:
    """Print a line a class."""
    table = []
    for scene_class, row in results.items():
        off, on, change = row.values()
        low_high = "-".join(f"{x:+.3f}" for x in change.get("good_95", ()))
        latency = " / ".join(f"{x['latency_ms'].get('p50', '-')}" for x in (off, on))
        right = f"{off['right']:.2f} / {on['right']:.2f}"
        cells = (change["n"], off["good"], on["good"], low_high, latency, right)
        table.append((scene_class, *cells, "yes" if change.get("is_as_wanted") else "no"))
    header = ("class", "n", "off", "on", "on - off, 95 %", "p50 ms", "right", "as wanted")
    print_table(header, table)


def _voice(index: int) -> str:
    return voice_id(VOICES[index % len(VOICES)], index)


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


if __name__ == "__main__":
    main()
