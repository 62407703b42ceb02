"""What a suite is: tasks, each a folder of recordings with what happens in them.

The layout is that of Full-Duplex-Bench: ``DATA/TASK/ID/input.wav`` with an annotation beside it.
Reading never fails because of one recording: what is wrong with it becomes its `fault`, and it is
counted as failed. Nothing is ever written here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voiceagent.bench.annotation import Annotation
from voiceagent.errors import BenchError, VoiceAgentError

AXES = ("pause", "backchannel", "turn", "interruption", "overlap", "silence", "rating", "answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A folder of recordings that are scored alike.

    Attributes:
        name: of the folder.
        title: for tables.
        axes: which of `AXES` are scored.
        read: the annotation in a recording's folder.
        wanted: what a good agent does about the overlap: "respond" or "resume"; empty for none.
        overlap_kind: as `voiceagent.records` calls it.
        num_official: how many recordings the official set has.
        is_cropped: whether words are recognised only in what follows the interruption.
        has_clean: whether each recording has a twin without the overlap.
        needs_number: whether ids are keys of a list, so that only numbers will do.
    """

    name: str
    title: str
    axes: tuple[str, ...]
    read: Callable[[Path], Annotation]
    wanted: str = ""
    overlap_kind: str = ""
    num_official: int | None = None
    is_cropped: bool = False
    has_clean: bool = False
    needs_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A recording.

    Attributes:
        task: that it belongs to.
        id: name of its folder.
        folder: where it lies.
        annotation: what happens in it; None where there is a fault.
        fault: why it cannot be used; empty for none.
    """

    task: Task
    id: str
    folder: Path
    annotation: Annotation | None = None
    fault: str = ""

    @property
    def key(self) -> str:
        """Names it within the suite."""
        return f"{self.task.name}/{self.id}"

    @property
    def takes(self) -> tuple[str, ...]:
        """Prefixes of the files to play: the recording itself, and its clean twin if it has one."""
        is_paired = self.task.has_clean and (self.folder / "clean_input.wav").is_file()
        return ("", "clean_") if is_paired else ("",)

    def input_path(self, take: str = "") -> Path:
        """The user's sound."""
        return self.folder / f"{take}input.wav"


def read_samples(data: Path, tasks: Sequence[Task]) -> list[Sample]:
    """Every recording of every task that is there, tasks in their order, ids by number.

    Args:
        data: the folder that holds the tasks' folders, or one of these itself.
        tasks: to look for.

    Raises:
        BenchError: there is no such folder, none of the tasks is in it, or it holds no recording.
    """
    if not data.is_dir():
        raise BenchError(f"{data}: there is no such folder; --data names the one with the tasks")
    found = {task.name: data / task.name for task in tasks if (data / task.name).is_dir()}
    found = found or {task.name: data for task in tasks if data.name == task.name}
    if not found:
        names = ", ".join(task.name for task in tasks)
        raise BenchError(f"{data}: holds none of the folders of this suite: {names}")
    samples = [
        _sample(task, folder)
        for task in tasks
        if task.name in found
        for folder in sample_folders(found[task.name])
    ]
    if not samples:
        raise BenchError(f"{data}: its folders {', '.join(found)} hold no recording")
    return samples


def sample_folders(folder: Path) -> list[Path]:
    """The folders of a task's recordings: by number, then those without one by name."""
    inside = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return sorted(inside, key=lambda path: id_order(path.name))


def id_order(name: str) -> tuple[bool, int, str]:
    """A key that sorts "2" before "10", and numbers before words."""
    is_number = name.isdecimal()
    return not is_number, int(name) if is_number else 0, name


def chosen(samples: Sequence[Sample], names: Iterable[str], limit: int | None) -> list[Sample]:
    """The samples of some tasks, of each only the first few.

    Args:
        samples: in order.
        names: of the tasks; none for all.
        limit: of each task; None for all.

    Raises:
        BenchError: there is no task of such a name among them.
    """
    there, wanted = {s.task.name for s in samples}, set(names)
    if wanted - there:
        raise BenchError(
            f"no task {', '.join(sorted(wanted - there))} in this data; there are: "
            f"{', '.join(sorted(there))}"
        )
    counts: dict[str, int] = {}
    found = []
    for sample in samples:
        name = sample.task.name
        counts[name] = counts.get(name, 0) + 1
        if name in (wanted or there) and (limit is None or counts[name] <= limit):
            found.append(sample)
    return found


def _sample(task: Task, folder: Path) -> Sample:
    name = folder.name
    try:
        if task.needs_number and not name.isdecimal():
            raise BenchError(f"{folder}: its name is no number, so it has no distribution")
        if not (folder / "input.wav").is_file():
            raise BenchError(f"{folder / 'input.wav'}: is missing")
        return Sample(task=task, id=name, folder=folder, annotation=task.read(folder))
    except VoiceAgentError as error:
        return Sample(task=task, id=name, folder=folder, fault=str(error))
