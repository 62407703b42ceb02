"""What each process does in each stage of `voiceagent train nano`; the order is in `pipeline`."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from tqdm import tqdm
from voiceagent_codec.nano import NanoCodec

from voiceagent.training import card, export, loop, speech, voice_data
from voiceagent.training.augment import Augmenter
from voiceagent.training.bank import bank_shard, load_bank, num_shards
from voiceagent.training.calls import CallMaker, agent_silence
from voiceagent.training.decoder import DecoderTask, decoder_sizes
from voiceagent.training.evaluate import evaluate, held_out_call
from voiceagent.training.hearing import Listener
from voiceagent.training.listening import ListeningTask
from voiceagent.training.run import TrainingRun
from voiceagent.training.semantic import SemanticTask
from voiceagent.training.semantic_tuning import SemanticTuningTask
from voiceagent.training.shards import GrowingShards, ShardPlan, joined, make_shards
from voiceagent.training.sizes import CODEC_SIZES
from voiceagent.training.voice import VoiceTask
from voiceagent.training.voice_tuning import VoiceTuningTask
from voiceagent.training.workspace import Arrays, Workspace, read_shards

# rows in a batch of one process, by device and stage
_ROWS = {
    "cpu": {"semantic": 16, "ear": 6, "voice": 16, "decoder": 6},
    "cuda": {"semantic": 128, "ear": 24, "voice": 64, "decoder": 64},
}
# to judge one held-out call takes a core about so long
_SECONDS_PER_CALL, _FEWEST_CALLS = 2.4, 2
# shards of sentences whose voices make up a crowd
_CROWD_SHARDS = 4
# shards of calls that the decoder begins with where others are still being made
_FIRST_SHARDS = 16


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
    if run.start is None:
        task = SemanticTask(CODEC_SIZES, data, agent, run.seed, run.device, rows, is_whisper=True)
        return _learn(run, task, loop.World(rank, size))
    codec = run.start.load_codec(with_agent_encoder=True)
    tuning = SemanticTuningTask(codec, data, agent, run.seed, run.device, rows)
    return _learn(run, tuning, loop.World(rank, size))


def learn_listening(run: TrainingRun, rank: int, size: int) -> bool:
    """What is learnt beside the ear's weights, through a decoder that stays."""
    assert run.start is not None, "an ear is taught with the decoder of a model"
    bank = load_bank(_codec(run), read_shards(run.workspace, "bank"))
    rows = _ROWS[run.device]["ear"]
    task = ListeningTask(run.start, bank, _crowd(run), run.seed, run.device, rows)
    return _learn(run, task, loop.World(rank, size))


def learn_voice(run: TrainingRun, rank: int, size: int) -> bool:
    """The agent's codec."""
    names = ("pcm", "harmonic", "noise", "pitch_hz", "phones")
    data = {name: _joined(run.workspace, "voice_data", name) for name in names}
    rows = _ROWS[run.device]["voice"]
    if run.start is None:
        task = VoiceTask(CODEC_SIZES, data, run.seed, run.device, rows)
    else:
        codec = run.start.load_codec(with_agent_encoder=True)
        task = VoiceTuningTask(codec, data, run.seed, run.device, rows)
    return _learn(run, task, loop.World(rank, size))


def write_codec(run: TrainingRun, rank: int, size: int) -> bool:
    """The codec as it will be shipped."""
    if run.start is not None and run.budget.teach == "conversation":
        export.keep_codec(run.workspace, run.start)
    elif run.start is not None and run.budget.teach == "ear":
        export.extend_codec(run.workspace, run.start)
    elif run.start is None:
        export.export_codec(run.workspace, ["semantic", "voice"])
    else:
        learnt = "voice" if run.budget.teach == "voice" else "semantic"
        export.export_codec(run.workspace, [learnt], run.start)
    return True


def make_bank(run: TrainingRun, rank: int, size: int) -> bool:
    """All of the agent's sentences in codes."""
    codec = _codec(run)
    return _make(
        run, "bank", rank, size, lambda number: bank_shard(codec, number), most=num_shards()
    )


def make_calls(run: TrainingRun, rank: int, size: int) -> bool:
    """Calls as token streams."""
    codec = export.load_codec(run.workspace)
    bank = load_bank(codec, read_shards(run.workspace, "bank"))
    listener = Listener(
        codec if run.device == "cpu" else export.load_codec(run.workspace).to(run.device),
        Augmenter(_crowd(run), run.seed, run.device),
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
        start=None if run.start is None else run.start.load_decoder(),
    )
    return _learn(run, task, loop.World(rank, size))


def write_and_evaluate(run: TrainingRun, rank: int, size: int) -> bool:
    """The model folder, how well it converses, its card and its curves."""
    has_learnt = run.budget.teach not in ("ear", "voice")
    folder = export.export_model(run.workspace, run.start, has_learnt=has_learnt)
    count = max(_FEWEST_CALLS, round(run.budget.seconds_for("evaluate") / _SECONDS_PER_CALL))
    calls = [held_out_call(seed) for seed in tqdm(range(count), "held-out calls", leave=False)]
    frames = sum(len(call.heard) // 1920 for call in calls)
    with _bar("evaluate", frames, 0, "frame") as bar:
        figures = evaluate(folder, calls, bar.update)
    card.write(run.workspace, folder, figures)
    return True


def _codec(run: TrainingRun) -> NanoCodec:
    """The codec that the agent's sentences are encoded by, with its encoder."""
    if run.budget.teach == "ear":  # the new one is not written yet, and agrees with it in those
        assert run.start is not None
        return run.start.load_codec(with_agent_encoder=True)
    return export.load_codec(run.workspace)


def _crowd(run: TrainingRun) -> Tensor:
    """The voices that crowds are made of, i16 [N]."""
    shards = run.workspace.shards("speech")[:_CROWD_SHARDS]
    return joined([run.workspace.read_arrays(name) for name in shards], "pcm")


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


def _learn(run: TrainingRun, task: loop.Task, world: loop.World) -> bool:
    seconds = run.budget.seconds_for(task.name)
    with _bar(task.name, round(seconds), world.rank, "s") as bar:

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
