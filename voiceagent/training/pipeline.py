"""The stages of `voiceagent train nano`, one after the other, each to be stopped and gone on with.

speech and voice data -> semantic encoder beside the agent's voice -> codec written -> bank of the
agent's sentences -> calls as tokens -> decoder -> model written -> a first evaluation -> card and
curves. Every process has one thread: two of them beat two threads of one (measured, README.md). On
a GPU the decoder learns in one process while the others still make calls.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException, spawn
from tqdm import tqdm
from voiceagent_codec.nano import NanoCodecConfig

from voiceagent.errors import TrainingError
from voiceagent.training import card, export, loop, speech, voice_data
from voiceagent.training.augment import Augmenter
from voiceagent.training.bank import bank_shard, load_bank, num_shards
from voiceagent.training.budget import SHARES, Budget
from voiceagent.training.calls import CallMaker, agent_silence
from voiceagent.training.clock import Deadline
from voiceagent.training.decoder import DecoderTask, decoder_sizes
from voiceagent.training.evaluate import evaluate, held_out_call
from voiceagent.training.hearing import Listener
from voiceagent.training.semantic import SemanticTask
from voiceagent.training.shards import GrowingShards, ShardPlan, joined, make_shards
from voiceagent.training.voice import VoiceTask
from voiceagent.training.workspace import Arrays, Workspace, open_workspace, read_shards

# rows in a batch of one process, by device and stage
_ROWS = {
    "cpu": {"semantic": 16, "voice": 16, "decoder": 6},
    "cuda": {"semantic": 128, "voice": 64, "decoder": 64},
}
# to judge one held-out call takes a core about so long
_SECONDS_PER_CALL, _FEWEST_CALLS = 2.4, 2
# shards of sentences whose voices make up a crowd
_CROWD_SHARDS = 4
# shards of calls that the decoder begins with where others are still being made
_FIRST_SHARDS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """What a run is.

    Attributes:
        path: its folder.
        seed: of everything.
        budget: time and processes.
        deadline: when this command stops, done or not.
        device: of the networks, and of what calls are heard with; speech is made on CPUs.
    """

    path: Path
    seed: int
    budget: Budget
    deadline: Deadline
    device: str = "cpu"

    @property
    def workspace(self) -> Workspace:
        """Its files."""
        return Workspace(self.path)


#: A stage's work in one process: run, rank, number of processes -> whether it is done.
Work = Callable[[TrainingRun, int, int], bool]


def train_nano(run: TrainingRun, report: Callable[[str], object]) -> Path | None:
    """Run all stages that are not done.

    Args:
        run: what to run.
        report: told a line now and then.

    Returns:
        The model's folder; None where the deadline came first: run again.

    Raises:
        ConfigError: the folder holds another run.
        TrainingError: a stage failed in another process, or the disk is full.
        SynthesisUnavailable: a voice is not installed.
    """
    settings = {
        "seed": run.seed,
        "budget_s": run.budget.seconds,
        "workers": run.budget.workers,
        "device": run.device,
    }
    workspace = open_workspace(run.path, settings)
    for name, works in _stages(run):
        if workspace.read_json(f"done/{name}") is None:
            report(f"{name}: {_expected(run, name)}")
            if not _run_all(run, works):
                return None
            workspace.write_json(f"done/{name}", {"done": True})
    return run.path / export.FOLDER


def _stages(run: TrainingRun) -> list[tuple[str, Sequence[Work]]]:
    """Names of the stages, and what each process does in them."""
    workers = run.budget.workers
    learning: list[tuple[str, Sequence[Work]]] = (
        [("semantic", [learn_hearing]), ("voice", [learn_voice])]
        if workers == 1
        else [("semantic", [learn_hearing, learn_voice])]
    )
    conversing: list[tuple[str, Sequence[Work]]] = (
        [("dialogues", [make_calls] * workers), ("decoder", [learn_conversation] * workers)]
        if run.device == "cpu" or workers == 1
        else [("decoder", [learn_conversation, *[make_calls] * (workers - 1)])]
    )
    return [
        ("speech", [make_speech] * workers),
        ("voice_data", [make_voice_data] * workers),
        *learning,
        ("codec", [write_codec]),
        ("bank", [make_bank] * workers),
        *conversing,
        ("evaluate", [write_and_evaluate]),
    ]


def make_speech(run: TrainingRun, rank: int, size: int) -> bool:
    """Sentences of many speakers."""
    return _make(run, "speech", rank, size, lambda number: speech.speech_shard(run.seed, number))


def make_voice_data(run: TrainingRun, rank: int, size: int) -> bool:
    """The agent's voice with the targets of its source filter."""
    make = voice_data.voice_shard
    return _make(run, "voice_data", rank, size, lambda number: make(run.seed, number))


def learn_hearing(run: TrainingRun, rank: int, size: int) -> bool:
    """The semantic encoder."""
    data = {name: _joined(run.workspace, "speech", name) for name in ("pcm", "phones")}
    agent = _joined(run.workspace, "voice_data", "pcm")
    rows = _ROWS[run.device]["semantic"]
    return _learn(
        run, SemanticTask(NanoCodecConfig(), data, agent, run.seed, run.device, rows), rank=rank
    )


def learn_voice(run: TrainingRun, rank: int, size: int) -> bool:
    """The agent's codec."""
    names = ("pcm", "harmonic", "noise", "pitch_hz", "phones")
    data = {name: _joined(run.workspace, "voice_data", name) for name in names}
    rows = _ROWS[run.device]["voice"]
    return _learn(run, VoiceTask(NanoCodecConfig(), data, run.seed, run.device, rows), rank=rank)


def write_codec(run: TrainingRun, rank: int, size: int) -> bool:
    """The codec as it will be shipped."""
    export.export_codec(run.workspace, NanoCodecConfig())
    return True


def make_bank(run: TrainingRun, rank: int, size: int) -> bool:
    """All of the agent's sentences in codes."""
    codec = export.load_codec(run.workspace)
    return _make(
        run, "bank", rank, size, lambda number: bank_shard(codec, number), most=num_shards()
    )


def make_calls(run: TrainingRun, rank: int, size: int) -> bool:
    """Calls as token streams."""
    codec = export.load_codec(run.workspace)
    bank = load_bank(codec, read_shards(run.workspace, "bank"))
    shards = run.workspace.shards("speech")[:_CROWD_SHARDS]
    crowd = joined([run.workspace.read_arrays(name) for name in shards], "pcm")
    listener = Listener(
        codec if run.device == "cpu" else export.load_codec(run.workspace).to(run.device),
        Augmenter(crowd, run.seed, run.device),
    )
    maker = CallMaker(listener, bank, run.seed)
    return _make(run, "dialogues", rank, size, maker.shard)


def learn_conversation(run: TrainingRun, rank: int, size: int) -> bool:
    """The decoder, in all processes together; on a GPU from calls that are still being made."""
    codec = export.load_codec(run.workspace)
    sizes = decoder_sizes(codec, tuple(int(code) for code in agent_silence(codec)))
    calls = GrowingShards(run.workspace, "dialogues", ("text", "user_text", "user", "agent"))
    is_beside = run.workspace.read_json("done/dialogues") is None
    if is_beside and not calls.wait_for(_FIRST_SHARDS, run.deadline):
        return False
    first = calls.more()
    assert first is not None, "stage dialogues has run"
    task = DecoderTask(
        sizes,
        export.user_codebooks(codec),
        first,
        _ROWS[run.device]["decoder"],
        run.seed,
        run.device,
        held_out=calls.rows_of_shard,
        more=calls.more,
    )
    return _learn(run, task, loop.World(rank, size))


def write_and_evaluate(run: TrainingRun, rank: int, size: int) -> bool:
    """The model folder, how well it converses, its card and its curves."""
    folder = export.export_model(run.workspace)
    count = max(_FEWEST_CALLS, round(run.budget.seconds_for("evaluate") / _SECONDS_PER_CALL))
    calls = [held_out_call(seed) for seed in tqdm(range(count), "held-out calls", leave=False)]
    frames = sum(len(call.heard) // 1920 for call in calls)
    with _bar("evaluate", frames, 0, "frame") as bar:
        figures = evaluate(folder, calls, bar.update)
    card.write(run.workspace, folder, figures)
    return True


def _run_all(run: TrainingRun, works: Sequence[Work]) -> bool:
    """Do a stage's work, each part in a process of its own where there are several."""
    if len(works) == 1:
        torch.set_num_threads(1)
        return works[0](run, 0, 1)
    with tempfile.TemporaryDirectory() as folder:
        try:
            spawn(_worker, (run, list(works), folder), len(works))  # type: ignore[no-untyped-call]
        except ProcessRaisedException as error:
            raise TrainingError(f"a training process failed: {error}") from error
        return all((Path(folder) / f"done-{rank}").exists() for rank in range(len(works)))


def _worker(rank: int, run: TrainingRun, works: list[Work], folder: str) -> None:
    """One process of a stage: it is told its rank among those that do the same."""
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")  # on a GPU; a CPU computes as ever
    alike = [i for i, work in enumerate(works) if work is works[rank]]
    size = len(alike)
    is_together = works[rank] is learn_conversation and size > 1
    if is_together:
        dist.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size
        )
    if works[rank](run, alike.index(rank), size):
        (Path(folder) / f"done-{rank}").touch()
    if is_together:
        dist.destroy_process_group()


def _make(
    run: TrainingRun,
    stage: str,
    rank: int,
    size: int,
    make: Callable[[int], Arrays],
    most: int | None = None,
) -> bool:
    seconds = run.budget.seconds_for(stage)
    plan = ShardPlan(folder=stage, seconds=seconds, rank=rank, workers=size, most=most)
    with _bar(stage, round(seconds), rank, "s") as bar:
        return make_shards(run.workspace, plan, make, run.deadline, bar.update)


def _learn(
    run: TrainingRun, task: loop.Task, world: loop.World | None = None, rank: int = 0
) -> bool:
    seconds = run.budget.seconds_for(task.name)
    with _bar(task.name, round(seconds), rank if world is None else world.rank, "s") as bar:

        def show(elapsed_s: float, note: str) -> None:
            bar.n = min(round(elapsed_s), bar.total)
            bar.set_postfix_str(note)

        return loop.train(
            task,
            seconds,
            run.workspace,
            run.deadline,
            seed=run.seed,
            world=world,
            on_seconds=show,
        )


def _bar(name: str, total: int, rank: int, unit: str) -> tqdm:
    """A bar with the time left; of several alike processes the first one's speaks for all."""
    is_second = name in ("voice", "dialogues")  # it may run beside another stage
    return tqdm(
        total=total,
        desc=name,
        unit=unit,
        position=int(is_second),
        leave=False,
        disable=None if rank == 0 else True,
    )


def _joined(workspace: Workspace, folder: str, name: str) -> Tensor:
    return joined(read_shards(workspace, folder), name)


def _expected(run: TrainingRun, stage: str) -> str:
    """What a stage will take, as far as it is known."""
    if stage not in SHARES:
        return "a few seconds"
    return f"about {run.budget.seconds_for(stage):.0f} s"
