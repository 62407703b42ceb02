"""The part of bench_talk that talks while the agent talks: interruptions and backchannels.

Scenes in which the agent was not speaking the scripted answer when the overlap began (it had
misheard the question) say nothing about overlaps: they are left out, and counted as the difference
of scenes and n.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from harness import interval_95, percentiles, print_table, share_95
from peer_voices import peer_or_speaker, voice_id
from talk_play import play_all
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS
from voiceagent.scenes import Rendered, make_script, render
from voiceagent.serving.playback import SILENCE_MS, Playback

YIELD_LIMIT_MS = 600
# None is somebody made up of a training synthesiser, another in every scene
_VOICES = (*[None] * 12, *["flite:kal"] * 8, *["kokoro"] * 6, *["piper:joe"] * 6)

Talk = tuple[Rendered, Playback]


def measure_overlaps(seed: int) -> dict[str, Any]:
    """Interrupt the agent, and murmur while it talks."""
    results: dict[str, Any] = {}
    for scene_class, score in (("interruption", score_yields), ("backchannel", score_finishes)):
        talks = overlapped(scene_class, seed)
        groups: dict[str, list[Talk]] = {}
        for voice, talk in zip(_VOICES, talks, strict=True):
            groups.setdefault(voice or "made up", []).append(talk)
        scores = {name: score(group) for name, group in (groups | {"all": talks}).items()}
        rows = [(name, *map(_cell, row.values())) for name, row in scores.items()]
        print_table((scene_class, *scores["all"]), rows)
        results[scene_class] = scores
    return results


def overlapped(scene_class: str, seed: int) -> list[Talk]:
    """Render one scene per voice and play them."""
    scenes = [
        render(
            make_script(scene_class, seed + i, voice=voice and voice_id(voice, i)), peer_or_speaker
        )
        for i, voice in enumerate(tqdm(_VOICES, f"{scene_class}: speaking", leave=False))
    ]
    playbacks = play_all([scene.user for scene in scenes], f"{scene_class}: answering")
    return list(zip(scenes, playbacks, strict=True))


def score_yields(talks: Sequence[Talk]) -> dict[str, Any]:
    """Time from an interruption's first sound to the agent's silence.

    Live, a frame must be complete before it is heard: `live_ms` adds its 80 ms.
    """
    silent_ms, then_right = [], 0
    for rendered, playback in talks:
        onset_ms = rendered.scene.of_kind("interruption")[0].start_ms
        if not is_answering(rendered, playback, onset_ms):
            continue
        silent_from_ms = playback.silent_from_ms(onset_ms)
        end_ms = rendered.scene.duration_ms if silent_from_ms is None else silent_from_ms
        silent_ms.append(end_ms - onset_ms)
        then_right += playback.said_text().endswith(rendered.scene.expected.answers[1])
    within = sum(ms <= YIELD_LIMIT_MS for ms in silent_ms)
    n = len(silent_ms)
    return {
        "scenes": len(talks),
        "n": n,
        "silent_ms": percentiles(silent_ms),
        "silent_p50_95": interval_95(silent_ms, np.median) if n else None,
        "silent_p90_95": interval_95(silent_ms, lambda ms: np.percentile(ms, 90)) if n else None,
        "live_ms": percentiles([ms + FRAME_MS for ms in silent_ms]),
        "within_limit": round(within / n, 3) if n else None,
        "then_right": round(then_right / n, 3) if n else None,
    }


def score_finishes(talks: Sequence[Talk]) -> dict[str, Any]:
    """Whether the agent ends its sentence, and says nothing else, though somebody murmurs."""
    finished = n = 0
    for rendered, playback in talks:
        onset_ms = rendered.scene.of_kind("backchannel")[0].start_ms
        if not is_answering(rendered, playback, onset_ms):
            continue
        n += 1
        finished += playback.said_text() == rendered.scene.expected.answers[0]
    return {
        "scenes": len(talks),
        "n": n,
        "finished": round(finished / n, 3) if n else None,
        "finished_95": share_95(finished, n) if n else None,
    }


def is_answering(rendered: Rendered, playback: Playback, at_ms: int) -> bool:
    """Whether the agent was to be heard just before, with the scripted answer."""
    sound_ms = playback.sound_from_ms(at_ms - SILENCE_MS)
    is_right = rendered.scene.expected.answers[0].startswith(playback.said_text(0, at_ms))
    return is_right and sound_ms is not None and sound_ms < at_ms


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return " / ".join(f"{number:.0f}" for number in value.values())
    if isinstance(value, tuple):
        return "-".join(f"{number:g}" for number in value)
    return "-" if value is None else f"{value:g}"
