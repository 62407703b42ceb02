"""Our own suite: scenes in the embedded model's domain, spoken on this machine from seeds.

The eight classes of `voiceagent.scenes`, and a ninth in which the caller begins a long turn and the
agent may murmur that it listens. The folders look like those of Full-Duplex-Bench, with the whole
script beside them, so labels are exact to the millisecond. When a listener would murmur is known by
construction: `people_of` gives it for each scene of the ninth class.
"""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.audio.wav import write_wav
from voiceagent.bench.annotation import SCENE_FILE, read_scene
from voiceagent.bench.scorers.backchannel import WINDOW_S, Distribution
from voiceagent.bench.suite import Task
from voiceagent.bench.transcript import read_json
from voiceagent.errors import BenchError
from voiceagent.scenes import Line, Rendered, Scene, Script, make_script, render
from voiceagent.scenes.channel import SpeakerOf
from voiceagent.scenes.domain import AGENT_BACKCHANNEL, sample_in_domain_turn
from voiceagent.scenes.folder import read_annotation
from voiceagent.scenes.out_of_domain import PREAMBLES
from voiceagent.scenes.scene import DIALOGUE, Expected
from voiceagent.scenes.seeds import child_rng, draw_seed, pick
from voiceagent.scenes.speakers import AGENT_VOICE, random_speaker, speaker

#: Every second scene is spoken by a voice that no training run has, the others by people made up.
VOICES = ("flite:kal", None)
DEFAULT_COUNT, DEFAULT_SEED = 25, 90_000
#: After a preamble a listener murmurs so soon, and so long; see `scenes.dialogue`.
_MURMUR_GAP_S, _MURMUR_S = (0.16, 0.26), 0.5
_FIRST_MS, _PAUSE_MS, _ANSWER_MS = (400, 800), (1100, 1500), (280, 400)
_SETTINGS = "builtin.json"
_BACKCHANNEL = "agent_backchannel"

_TASKS = (
    ("pause_handling", "pause", "Pause handling", ("pause", "answer"), "", ""),
    (_BACKCHANNEL, _BACKCHANNEL, "Backchannel", ("backchannel",), "", ""),
    ("smooth_turn_taking", "question", "Smooth turn-taking", ("turn", "answer"), "", ""),
    (
        *("user_interruption", "interruption", "User interruption"),
        *(("interruption", "overlap", "answer"), "respond", "interruption"),
    ),
    (
        *("user_backchannel", "backchannel", "User backchannel"),
        *(("overlap", "answer"), "resume", "user_backchannel"),
    ),
    (
        *("talking_to_other", "talk_to_others", "Talking to others"),
        *(("overlap", "answer"), "resume", "talking_to_others"),
    ),
    (
        *("background_speech", "background_speech", "Background speech"),
        *(("overlap", "answer"), "resume", "background_speech"),
    ),
    ("noise", "noise", "Noise", ("silence",), "", ""),
    ("silence", "silence", "Silence", ("silence",), "", ""),
)
BUILTIN = tuple(
    Task(name=name, title=title, axes=axes, read=read_scene, wanted=wanted, overlap_kind=kind)
    for name, _, title, axes, wanted, kind in _TASKS
)
_CLASSES = {name: scene_class for name, scene_class, *_ in _TASKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltinConfig:
    """Which scenes.

    Attributes:
        count: of each task.
        seed: of the first; the others follow.
        tasks: names; empty for all.
    """

    count: int = DEFAULT_COUNT
    seed: int = DEFAULT_SEED
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        if self.count < 1:
            raise ValueError(f"count must be at least 1, not {self.count}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, not {self.seed}")
        unknown = set(self.tasks) - set(_CLASSES)
        if unknown:
            names = ", ".join(_CLASSES)
            raise ValueError(f"tasks: no {', '.join(sorted(unknown))}; there are: {names}")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tasks, in the suite's order."""
        return tuple(name for name in _CLASSES if name in (self.tasks or _CLASSES))

    @property
    def num_scenes(self) -> int:
        """Over all tasks."""
        return self.count * len(self.names)

    def facts(self) -> dict[str, Any]:
        """For the plan of a run."""
        voices = [voice or "made up" for voice in VOICES]
        return {"count": self.count, "seed": self.seed, "voices": voices}


def speak_scenes(
    data: Path,
    config: BuiltinConfig,
    on_scene: Callable[[], object],
    speaker_of: SpeakerOf = speaker,
) -> None:
    """Make every scene that is not there yet.

    Args:
        data: folder for the scenes; made if missing.
        config: which.
        on_scene: told after each.
        speaker_of: id -> speaker.

    Raises:
        BenchError: the folder holds scenes of another seed.
        SynthesisUnavailable: a synthesiser is not installed: says how to.
    """
    _claim(data, config)
    for name in config.names:
        for index in range(config.count):
            target = data / name / str(index)
            if not target.is_dir():
                script = _script(name, config.seed + index, VOICES[index % len(VOICES)])
                _write(render(script, speaker_of), target)
            on_scene()


def people_of(data: Path) -> dict[str, Distribution]:
    """When a listener would murmur in each scene of the ninth class, by id."""
    folder = data / _BACKCHANNEL
    if not folder.is_dir():
        return {}
    scenes = {path.name: path for path in folder.iterdir() if (path / SCENE_FILE).is_file()}
    return {name: murmur_shares(read_annotation(path)) for name, path in scenes.items()}


def murmur_shares(scene: Scene) -> Distribution:
    """The share of each 200 ms window in a murmur that begins at any due moment; sums to 1."""
    shares = np.zeros(int(scene.duration_ms / 1000 / WINDOW_S) + 1)
    for part in scene.of_kind("part"):
        for gap_s in np.linspace(*_MURMUR_GAP_S, 11):
            start_s = part.end_ms / 1000 + gap_s
            shares[int(start_s / WINDOW_S) : int((start_s + _MURMUR_S) / WINDOW_S) + 1] += 1
    shares += 1e-10
    return np.asarray(shares / shares.sum())


def _script(name: str, seed: int, voice: str | None) -> Script:
    if name == _BACKCHANNEL:
        return _long_turn(seed, voice)
    return make_script(_CLASSES[name], seed, voice=voice)


def _long_turn(seed: int, voice: str | None) -> Script:
    """Two preambles and a question, with room for a murmur after each preamble."""
    rng = child_rng(seed, "script", _BACKCHANNEL)
    user, turn = voice or random_speaker(rng).id, sample_in_domain_turn(rng)
    said = functools.partial(Line, channel="user", speaker=user, addressed=True)
    murmur = functools.partial(
        Line,
        kind="murmur",
        channel="agent",
        speaker=AGENT_VOICE,
        text=AGENT_BACKCHANNEL,
        offset_ms=210,
    )
    lines = (
        said(kind="part", text=pick(rng, PREAMBLES), offset_ms=_between(rng, _FIRST_MS)),
        murmur(after=0, take=draw_seed(rng)),
        said(kind="part", text=pick(rng, PREAMBLES), offset_ms=_between(rng, _PAUSE_MS), after=0),
        murmur(after=2, take=draw_seed(rng)),
        said(kind="question", text=turn.user_text, offset_ms=_between(rng, _PAUSE_MS), after=2),
    )
    return Script(
        id=f"{_BACKCHANNEL}-{seed}",
        scene_class=DIALOGUE,
        seed=seed,
        lines=lines,
        expected=Expected(answers=(turn.agent_text,)),
        tail_ms=0,
    )


def _write(rendered: Rendered, target: Path) -> None:
    """All of a scene's folder, or nothing of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".scene-", dir=target.parent) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        write_wav(whole / "input.wav", rendered.user)
        (whole / SCENE_FILE).write_text(rendered.scene.to_json(), encoding="utf-8")
        for name, document in official_files(rendered.scene).items():
            (whole / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        whole.rename(target)


def official_files(scene: Scene) -> dict[str, Any]:
    """The annotations of a scene as the official sets have them, by file name."""
    files: dict[str, Any] = {}
    parts = scene.of_kind("part", "question")
    if parts and not scene.of_kind("murmur"):
        end_s = parts[-1].end_ms / 1000
        files["turn_taking.json"] = [{"text": "[TURN-TAKING]", "timestamp": [end_s, end_s]}]
    if scene.of_kind("part"):
        files["pause.json"] = [
            {"text": "[PAUSE]", "timestamp": [a.end_ms / 1000, b.start_ms / 1000]}
            for a, b in itertools.pairwise(parts)
        ]
    for overlap in scene.of_kind("interruption", "backchannel", "side_talk", "background"):
        times, context = [overlap.start_ms / 1000, overlap.end_ms / 1000], parts[0].text
        files["interrupt.json"] = [
            {"context": context, "interrupt": overlap.text, "timestamp": times}
        ]
        files["metadata.json"] = {
            "context_text": context,
            "current_turn_text": overlap.text,
            "timestamps": times,
        }
    return files


def _claim(data: Path, config: BuiltinConfig) -> None:
    """See that scenes of one seed lie in one folder."""
    path, facts = data / _SETTINGS, {k: v for k, v in config.facts().items() if k != "count"}
    if path.is_file():
        if read_json(path) != facts:
            raise BenchError(f"{data}: holds scenes of other seeds or voices; name another --data")
        return
    if data.is_dir() and any(data.iterdir()):
        raise BenchError(f"{data}: is not empty and holds no scenes; name another --data")
    data.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(facts) + "\n", encoding="utf-8")


def _between(rng: np.random.Generator, span_ms: Sequence[int]) -> int:
    return int(rng.integers(span_ms[0], span_ms[1] + 1))
