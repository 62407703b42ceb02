"""Do our scorers agree with the official scripts? Both score the same generated recordings.

Needs a checkout of Full-Duplex-Bench at d7336bd, which you fetch yourself (CC BY-NC: nothing of it
is here), and `pip install --no-deps silero-vad==6.2.3 praat-parselmouth`. Each recording gets
random words around the thresholds, and real speech at random times and rates; its words are given
to both sides, so that no recogniser is involved. The official functions run as they are, one
recording at a time; only file loading, the network's download, and the paid judge are replaced.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import itertools
import json
import os
import re
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from harness import finish, make_parser, print_card, print_table, start
from tqdm import tqdm

from voiceagent.bench.fdb import FDB_V1, FDB_V15
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.recognise import Given, recognise_samples
from voiceagent.bench.rules import UPSTREAM_D7336BD
from voiceagent.bench.runner import play_samples
from voiceagent.bench.scorers import prosody
from voiceagent.bench.sound import Sound, read_sound, write_sound
from voiceagent.bench.speech import RATE_HZ
from voiceagent.bench.stages import begin, plan_run, read_rows, score_run
from voiceagent.bench.targets.replay import ReplayTarget
from voiceagent.bench.transcript import parse_transcript
from voiceagent.scenes import speaker

TASKS = {
    "candor_pause_handling": "eval_pause_handling",
    "candor_turn_taking": "eval_smooth_turn_taking",
    "synthetic_user_interruption": "eval_user_interruption",
    "icc_backchannel": "eval_backchannel",
    "user_interruption": "get_timing",
}
SENTENCES = ("mm hm", "yeah", "okay", "what is three plus four", "when do you open on monday")
VOICES = ("espeak:en-us", "flite:slt", "espeak:en-us+f2")
RATES_HZ = (16_000, 24_000)
#: The distribution of people is known of so many ids; more recordings are another round of them.
MOST_IDS = 55
TOLERANCE = 1e-6
#: Of the voice, with `praat-parselmouth`; Hz and dB, where theirs are sums of float32.
VOICE_TOLERANCE = 1e-3
VOICE = ("pitch_hz", "pitch_spread_hz", "intensity_db", "intensity_spread_db")


def main() -> None:
    """Generate, score twice, compare."""
    options = arguments()
    start(options)
    facts = {"official": "d7336bd", "recordings": f"{options.count} of each of {len(TASKS)} tasks"}
    print_card("fdb_parity: our scorers against the official scripts", facts)
    with tempfile.TemporaryDirectory() as scratch:
        results = compare(Path(scratch), options)
    rows = [(name, *found.values()) for name, found in results.items()]
    print_table(("number", "compared", "disagree", "largest difference", "tolerance"), rows)
    config = {"count": options.count, "seed": options.seed, "compat": UPSTREAM_D7336BD.name}
    finish("fdb_parity", config, results, options)
    sys.exit(any(found["disagree"] for found in results.values()))


def arguments() -> argparse.Namespace:
    parser = make_parser(__doc__ or "")
    parser.add_argument("upstream", type=Path, help="checkout of Full-Duplex-Bench at d7336bd")
    parser.add_argument("--count", type=int, default=200, help="recordings a task (default: 200)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def compare(scratch: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every number of every task: how many were compared, how many differ."""
    rng = np.random.default_rng(options.seed)
    pool = [speaker(voice).say(text).pcm for voice in VOICES for text in SENTENCES]
    official = Official(options.upstream / "v1_v1.5" / "evaluation")
    pairs: dict[str, list[tuple[Any, Any]]] = {}
    for first in range(0, options.count, MOST_IDS):
        folder = scratch / str(first)
        for task in TASKS:
            for index in range(min(MOST_IDS, options.count - first)):
                make_recording(rng, pool, folder, f"{task}/{index}", index)
        ours = {**score_ours(folder, "fdb-v1", options), **score_ours(folder, "fdb-v1.5", options)}
        for key, row in tqdm(ours.items(), desc="official"):
            for name, theirs in official.score(folder, key).items():
                place = f"{key.split('/')[0]} {name}"
                pairs.setdefault(place, []).append((theirs, mine(row, name)))
    return {name: agreement(name, found) for name, found in pairs.items()}


def make_recording(
    rng: np.random.Generator, pool: list[Any], scratch: Path, key: str, index: int
) -> None:
    """Input, annotation, output and its words, laid out like the data and like a stored run."""
    duration_s = round(float(rng.uniform(5, 9)), 2)  # whole samples at every rate
    event = [round(float(t), 3) for t in np.sort(rng.uniform(1, duration_s - 1, 2))]
    documents = {
        "pause.json": [{"text": "[PAUSE]", "timestamp": event}],
        "turn_taking.json": [{"text": "[TURN-TAKING]", "timestamp": event}],
        "interrupt.json": [{"context": "a", "interrupt": "b", "timestamp": event}],
        "metadata.json": {"context_text": "a", "current_turn_text": "b", "timestamps": event},
    }
    put_sound(rng, pool, scratch / "data" / key / "input.wav", duration_s, 16_000)
    rate_hz = 16_000 if key.startswith("user_interruption") else RATES_HZ[index % 2]
    put_sound(rng, pool, scratch / "outputs" / key / "output.wav", duration_s, rate_hz)
    words = make_words(rng, duration_s)
    documents["output.json"] = {"text": " ".join(w["text"] for w in words), "chunks": words}
    for file, document in documents.items():
        folder = "outputs" if file == "output.json" else "data"
        (scratch / folder / key / file).write_text(json.dumps(document))


def put_sound(
    rng: np.random.Generator, pool: list[Any], path: Path, duration_s: float, rate_hz: int
) -> None:
    """A few pieces of speech at random times, in a little noise."""
    pcm = rng.normal(0, 3e-4, round(duration_s * 24_000)).astype(np.float32)
    for _ in range(int(rng.integers(0, 5))):
        piece = pool[int(rng.integers(len(pool)))]
        piece = piece[: int(rng.uniform(0.2, 1.0) * len(piece))]
        start = int(rng.integers(len(pcm)))
        room = pcm[start : start + len(piece)]
        room += piece[: len(room)]
    write_sound(path, Sound(Sound(np.clip(pcm, -1, 1), 24_000).at(rate_hz), rate_hz))


def make_words(rng: np.random.Generator, duration_s: float) -> list[dict[str, Any]]:
    """None to seven words, many of them just about a second in all."""
    count = int(rng.choice([0, 1, 2, 3, 4, 5, 7]))
    start_s, span_s = float(rng.uniform(0, duration_s - 2)), float(rng.uniform(0.6, 1.6))
    span_s = 1.0 if rng.random() < 0.1 else span_s
    edges = np.round(start_s + span_s * np.linspace(0, 1, count + 1), 2)
    return [
        {"text": "word", "timestamp": [float(a), float(b)]} for a, b in itertools.pairwise(edges)
    ]


def score_ours(scratch: Path, suite: str, options: argparse.Namespace) -> dict[str, Any]:
    """Our rows by key, through the stages that a user runs."""
    folder = RunFolder(scratch / f"run-{suite}")
    names = {task.name for task in (FDB_V1 if suite == "fdb-v1" else FDB_V15)}
    target = ReplayTarget(scratch / "outputs")
    plan = plan_run(suite, scratch / "data", target.facts, {}, tasks=sorted(names & set(TASKS)))
    samples = begin(folder, plan)
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    play_samples(folder, samples, target, nothing, lambda *failure: sys.exit(str(failure)))
    recognise_samples(folder, samples, Given(scratch / "outputs"), nothing, nothing)
    with tqdm(total=len(samples), desc=f"ours: {suite}") as bar:
        score_run(folder, UPSTREAM_D7336BD, options.upstream, bar.update)
    rows = read_rows(folder)
    for row in rows:
        key = f"{row['task']}/{row['id']}"
        path = scratch / "outputs" / key / "output.json"
        row["words"] = parse_transcript(json.loads(path.read_text()), key)
        times = json.loads((scratch / "data" / key / "metadata.json").read_text())["timestamps"]
        row["overlap_end_s"] = times[1]
        row |= voice_of(scratch / "outputs" / key / "output.wav")
    return {f"{row['task']}/{row['id']}": row for row in rows}


def voice_of(path: Path) -> dict[str, float]:
    """Pitch and loudness of a recording as we measure them, if Praat is installed."""
    if not prosody.is_praat_installed():
        return {}
    found = prosody.measure(read_sound(path).at(RATE_HZ), RATE_HZ, ()).to_json()
    return {name: found[name] or 0.0 for name in VOICE}


def mine(row: dict[str, Any], name: str) -> Any:
    """Our number of a name."""
    if name == "wpm":
        return prosody.words_per_minute(row["words"]) or 0.0
    if name == "split_s":
        return prosody.split_at(row["words"], row["overlap_end_s"])
    if name == "takeover" and "backchannel_takeover" in row:
        return float(row["backchannel_takeover"])
    if name == "per_s":
        return round(row["backchannels_per_s"], 4)
    if name == "jsd":
        return round(row["backchannel_jsd"], 4)
    if name == "takeover":
        return float(row["takeover"])
    return row[name]


def agreement(name: str, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    """How often two columns differ, and by how much at most."""
    tolerance = VOICE_TOLERANCE if name.split()[-1] in VOICE else TOLERANCE
    apart = [difference(a, b) for a, b in pairs]
    return {
        "compared": len(pairs),
        "disagree": sum(value > tolerance for value in apart),
        "largest": round(max(apart), 9),
        "tolerance": tolerance,
    }


def difference(one: Any, other: Any) -> float:
    """0 of the same; infinite where only one is known or lists are of different lengths."""
    if one is None or other is None:
        return 0.0 if one is other else float("inf")
    a, b = np.asarray(one, np.float64).ravel(), np.asarray(other, np.float64).ravel()
    return float(np.abs(a - b).max(initial=0.0)) if a.shape == b.shape else float("inf")


class Official:
    """The official functions, one recording at a time."""

    def __init__(self, scripts: Path) -> None:
        replace_what_is_missing()
        self._scripts = scripts
        names = (*TASKS.values(), "eval_general_before_after")
        self._modules = {name: load(scripts / f"{name}.py") for name in dict.fromkeys(names)}
        network = torch_network()
        self._modules["eval_backchannel"].load_silero_vad = lambda: network  # once is enough
        judged = self._modules["eval_user_interruption"]
        judged.parse_output = lambda _: {"analysis": "", "rating": 0}

    def score(self, scratch: Path, key: str) -> dict[str, Any]:
        """Their numbers of one recording."""
        task, _, name = key.partition("/")
        module = self._modules[TASKS[task]]
        with tempfile.TemporaryDirectory() as alone:
            folder = Path(alone) / name
            folder.mkdir()
            for source in ("data", "outputs"):
                for path in (scratch / source / key).iterdir():
                    (folder / path.name).write_bytes(path.read_bytes())
            if task == "user_interruption":
                with quiet():
                    module.process_folder(folder)
                return self._timing(folder) | self._general(folder)
            return self._printed(module, task, Path(alone))

    def _printed(self, module: Any, task: str, root: Path) -> dict[str, Any]:
        function = getattr(module, TASKS[task])
        if task == "icc_backchannel":
            text = printed(function, str(root), cwd=self._scripts)
            return {
                "takeover": number(text, "TOR - Mean"),
                "per_s": number(text, "Frequency - Mean"),
                "jsd": number(text, "JSD - Mean"),
            }
        if task == "candor_pause_handling":
            return {"takeover": number(printed(function, str(root)), "Average take turn")}
        # nobody taking a turn divides by zero there: a second recording that does is known
        anchor(root / "999")
        extra = (JUDGE,) if task == "synthetic_user_interruption" else ()
        text = printed(function, str(root), *extra)
        takeover = 2 * number(text, "Average take turn") - 1
        mean_s = number(text, "Average latency")
        return {"takeover": takeover, "latency_s": 2 * mean_s - 1 if takeover else None}

    def _timing(self, folder: Path) -> dict[str, Any]:
        document = json.loads((folder / "latency_intervals.json").read_text())
        lists = document["latency_stop_list"], document["latency_resp_list"]
        return dict(zip(("stops_all", "responses_all"), map(sorted, lists), strict=True))

    def _general(self, folder: Path) -> dict[str, Any]:
        general = self._modules["eval_general_before_after"]
        chunks = json.loads((folder / "output.json").read_text())["chunks"]
        end_s = json.loads((folder / "metadata.json").read_text())["timestamps"][1]
        split_s = general._choose_split_time_word_aligned(end_s, chunks)
        found = {"wpm": general._wpm_speech_only(chunks), "split_s": split_s}
        return found | self._voice(folder / "output.wav")

    def _voice(self, path: Path) -> dict[str, float]:
        if not prosody.is_praat_installed():
            return {}
        general = self._modules["eval_general_before_after"]
        sound = torch.from_numpy(read_sound(path).at(RATE_HZ))
        values = (
            *general._compute_pitch_stats_robust(sound, RATE_HZ),
            *general._compute_intensity_stats_robust(sound, RATE_HZ),
        )
        return dict(zip(VOICE, values, strict=True))


def anchor(folder: Path) -> None:
    """A recording whose turn is taken after a second."""
    folder.mkdir()
    words = [{"text": "word", "timestamp": [2.0, 4.0]}]
    (folder / "output.json").write_text(json.dumps({"text": "word", "chunks": words}))
    times = [{"context": "a", "interrupt": "b", "timestamp": [0.5, 1.0]}]
    (folder / "interrupt.json").write_text(json.dumps(times))
    (folder / "turn_taking.json").write_text(json.dumps([{"timestamp": [1.0, 1.5]}]))


class _Judge:
    """Stands where the paid judge would: its rating is no part of what is compared."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self

    def __getitem__(self, index: int) -> Any:
        return self

    def __add__(self, text: str) -> str:
        return text


JUDGE = _Judge()


def printed(function: Callable[..., Any], *args: Any, cwd: Path | None = None) -> str:
    """What a function prints."""
    with contextlib.chdir(cwd or Path.cwd()), quiet() as text:
        function(*args)
    return text.getvalue()


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    with (
        contextlib.redirect_stdout(io.StringIO()) as text,
        contextlib.redirect_stderr(io.StringIO()),
    ):
        yield text


def number(text: str, label: str) -> float:
    """The number that is printed after a label."""
    return float(re.findall(re.escape(label) + r":\s*(-?[\d.e-]+)", text)[-1])


def load(path: Path) -> Any:
    """A script as a module."""
    if not path.is_file():
        sys.exit(f"fdb_parity: {path} is missing; name a checkout of Full-Duplex-Bench at d7336bd")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with quiet():
        spec.loader.exec_module(module)
    return module


def torch_network() -> Any:
    """The detector as the official scripts run it."""
    import silero_vad

    return silero_vad.load_silero_vad()


def replace_what_is_missing() -> None:
    """Loading files without torchcodec, the network from its wheel, no quality models."""
    import torch
    import torchaudio

    def read(path: Any, **_: Any) -> tuple[torch.Tensor, int]:
        pcm, rate_hz = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)
        return torch.from_numpy(pcm.T.copy()), rate_hz

    def from_wheel(*_: Any, **__: Any) -> tuple[Any, None]:
        return torch_network(), None

    torchaudio.load, torch.hub.load = read, from_wheel
    torch.set_num_threads(1)
    sys.modules["utmosv2"] = types.ModuleType("utmosv2")


if __name__ == "__main__":
    main()
