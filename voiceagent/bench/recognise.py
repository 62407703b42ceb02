"""The second stage: the agent's sound becomes words, and where they come from is written down.

Every number of the official axes hangs on the recogniser: the same sound has scored .856 with one
and .111 with another. So its name, version and settings lie with every transcript, and a transcript
of another recogniser is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from voiceagent.bench.folder import DONE, Recognised, RunFolder
from voiceagent.bench.recognisers import Parakeet, Sphinx, Whisper, cropped_from_s
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import Transcript, read_transcript
from voiceagent.errors import AudioFileError, BenchError, ConfigError, RecogniserUnavailable

KNOWN = (
    "auto",
    "whisper",
    "whisper:DIR",
    "whisper:SIZE",
    "text",
    "given:DIR",
    "parakeet",
    "sphinx",
    "none",
)


class WordSource(Protocol):
    """Where words come from."""

    @property
    def facts(self) -> dict[str, Any]:
        """Name, version and settings; plain JSON values."""

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """The words of one recording, on its clock.

        Raises:
            BenchError: it has none.
            AudioFileError: the recording cannot be read.
        """

    def user_words(self, sample: Sample, take: str) -> Transcript:
        """What the user says in a recording, which only a judge wants to know.

        Raises:
            BenchError: it does not know.
            AudioFileError: the recording cannot be read.
        """


def open_source(name: str) -> WordSource | None:
    """Find a source of words by the name that ``--asr`` has; None for "none".

    Raises:
        ConfigError: there is no such source.
        RecogniserUnavailable: it is not installed: says how to.
    """
    kind, _, place = name.partition(":")
    if kind == "none":
        return None
    if kind == "auto":
        return _best_installed()
    if kind == "whisper":
        return Whisper(place)
    if kind == "text" and not place:
        return OwnText()
    if kind == "given" and place:
        return Given(Path(place))
    if kind == "parakeet" and not place:
        return Parakeet()
    if kind == "sphinx" and not place:
        return Sphinx()
    raise ConfigError(f"there is no recogniser {name!r}; --asr takes {', '.join(KNOWN)}")


def recognise_samples(
    folder: RunFolder,
    samples: Sequence[Sample],
    source: WordSource,
    on_sample: Callable[[], object],
    on_failure: Callable[[str, str], object],
) -> None:
    """Recognise what was played and has no words of this source yet.

    Args:
        folder: of the run.
        samples: of its plan.
        source: open.
        on_sample: told after each of them.
        on_failure: told key and reason where there are no words; the sample stays without.
    """
    for sample in samples:
        for take in () if sample.fault else sample.takes:
            try:
                _recognise(folder, sample, take, source)
            except (AudioFileError, BenchError) as error:
                on_failure(sample.key, str(error))
        on_sample()


def unrecognised(folder: RunFolder, samples: Sequence[Sample], source: WordSource) -> list[Sample]:
    """The samples that `recognise_samples` would have to listen to."""
    return [
        sample
        for sample in samples
        if not sample.fault and any(_is_waiting(folder, sample, t, source) for t in sample.takes)
    ]


def recognise_users(
    folder: RunFolder,
    samples: Sequence[Sample],
    source: WordSource,
    on_sample: Callable[[], object],
    on_failure: Callable[[str, str], object],
) -> None:
    """Recognise what users say where a judge reads it: in recordings that have a clean twin.

    What the data tells is not recognised, nor what is known from this source.

    Args:
        folder: of the run.
        samples: of its plan.
        source: open.
        on_sample: told after each of them.
        on_failure: told key and reason where there are no words.
    """
    for sample in samples:
        for take in sample.takes if sample.task.has_clean and not sample.fault else ():
            try:
                _recognise_user(folder, sample, take, source)
            except (AudioFileError, BenchError) as error:
                on_failure(sample.key, str(error))
        on_sample()


class OwnText:
    """What the model itself says that it says: exact, and the word before its sound."""

    @property
    def facts(self) -> dict[str, Any]:
        """Not a recogniser at all."""
        return {
            "recogniser": "own text",
            "note": "ends of words estimated",
        }

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""
        words = folder.own_words(sample.key, take)
        if words is None:
            raise BenchError("the target tells no words of its own; use --asr whisper")
        from_s = cropped_from_s(sample)
        return tuple(word for word in words if word.start_s >= from_s)

    def user_words(self, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""
        raise BenchError("a target's own text tells nothing of the user; use --asr whisper")


class Given:
    """Transcripts that somebody else made, in a folder laid out like the data."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BenchError(f"given:{folder}: there is no such folder")
        self._folder = folder

    @property
    def facts(self) -> dict[str, Any]:
        """Where they lie; what made them is not known."""
        return {"recogniser": "given", "folder": str(self._folder.resolve())}

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""
        return read_transcript(self._folder / sample.key / f"{take}output.json")

    def user_words(self, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""
        return read_transcript(self._folder / sample.key / f"{take}input.json")


def is_slow(source: WordSource) -> bool:
    """Whether it computes on one core of this machine, so that several beside one another pay."""
    return isinstance(source, Whisper | Sphinx)


def _is_waiting(folder: RunFolder, sample: Sample, take: str, source: WordSource) -> bool:
    state = folder.state(sample.key, take)
    if state is None or state.status != DONE:
        return False
    before = folder.recognised(sample.key, take)
    return before is None or before.source != source.facts


def _recognise(folder: RunFolder, sample: Sample, take: str, source: WordSource) -> None:
    if _is_waiting(folder, sample, take, source):
        words = source.words(folder, sample, take)
        folder.set_recognised(sample.key, take, Recognised(words=words, source=source.facts))


def _recognise_user(folder: RunFolder, sample: Sample, take: str, source: WordSource) -> None:
    if (sample.folder / f"{take}input.json").is_file():
        return
    before = folder.recognised(sample.key, take, side="input")
    if before is None or before.source != source.facts:
        found = Recognised(words=source.user_words(sample, take), source=source.facts)
        folder.set_recognised(sample.key, take, found, side="input")


def _best_installed() -> WordSource:
    try:
        return Whisper()
    except RecogniserUnavailable:
        return OwnText()
