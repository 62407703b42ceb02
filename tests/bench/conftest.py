"""Hand-made words, stretches and recordings for the bench."""

import json

import numpy as np
import pytest
import soundfile

from voiceagent.bench.speech import WINDOW_SAMPLES, segment
from voiceagent.bench.targets.base import Failure, Reply
from voiceagent.bench.transcript import TimedWord


def timed(*words: tuple) -> tuple[TimedWord, ...]:
    """Words from ("text", start, end) or (start, end)."""
    return tuple(
        TimedWord(*word) if isinstance(word[0], str) else TimedWord("word", *word) for word in words
    )


@pytest.fixture
def words():
    return timed


@pytest.fixture
def noise():
    """Sound that is no speech: f32[N] of so many seconds."""

    def make(seconds: float, rate_hz: int = 16_000) -> np.ndarray:
        rng = np.random.default_rng(0)
        return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)

    return make


class ScriptedTarget:
    """Answers each call as `answer` says: samples, words, an error to raise or a text to fail by.

    `answer` gets the call; what it gives is (samples, words) or a reason. Dies after `dies_after`.
    """

    def __init__(self, answer, *, facts=None, dies_after=None):
        self.answer, self.played, self.is_closed = answer, [], False
        self._facts, self._dies_after = facts or {"target": "scripted"}, dies_after

    @property
    def facts(self):
        return self._facts

    def converse(self, calls, on_seconds):
        for call in calls:
            if self._dies_after is not None and len(self.played) == self._dies_after:
                raise KeyboardInterrupt
            self.played.append(call.key)
            on_seconds(len(call.user) / 24_000)
            found = self.answer(call)
            if isinstance(found, str):
                yield Failure(call.key, found)
            else:
                yield Reply(call.key, *found)

    def close(self):
        self.is_closed = True


@pytest.fixture(scope="session")
def scripted():
    return ScriptedTarget


@pytest.fixture
def silent():
    return lambda **options: ScriptedTarget(
        lambda call: (np.zeros(len(call.user), np.float32), ()), **options
    )


@pytest.fixture
def make_data(tmp_path, noise):
    """An official-looking set: {task: {id: {file: document}}}, each with an input of noise."""

    def make(tasks: dict, seconds: float = 2.0, rate_hz: int = 16_000, name="data"):
        for task, samples in tasks.items():
            for sample, files in samples.items():
                folder = tmp_path / name / task / sample
                folder.mkdir(parents=True)
                soundfile.write(folder / "input.wav", noise(seconds, rate_hz), rate_hz)
                for file, document in files.items():
                    (folder / file).write_text(json.dumps(document))
        return tmp_path / name

    return make


TURN_END = {"turn_taking.json": [{"text": "[TURN-TAKING]", "timestamp": [1.0, 1.2]}]}
PAUSE = {"pause.json": [{"text": "[PAUSE]", "timestamp": [0.5, 0.9]}]}
INTERRUPTION = {
    "interrupt.json": [{"context": "a", "interrupt": "b", "timestamp": [0.5, 1.0]}],
}
OVERLAP = {
    "metadata.json": {"context_text": "a", "current_turn_text": "b", "timestamps": [0.5, 1.0]},
}


@pytest.fixture
def annotations():
    return {"turn": TURN_END, "pause": PAUSE, "interruption": INTERRUPTION, "overlap": OVERLAP}


class LoudFinder:
    """A detector for hand-made sound: what is loud is speech, window by window of 32 ms."""

    def spans(self, channels, how=None):
        found = []
        for pcm in channels:
            count = -(-len(pcm) // WINDOW_SAMPLES)
            windows = np.pad(pcm, (0, count * WINDOW_SAMPLES - len(pcm))).reshape(count, -1)
            loud = (np.abs(windows).max(axis=1) > 0.01).astype(np.float32)
            found.append(segment(loud, len(pcm)))
        return found

    def stretches(self, channels):
        return [[(a / 16_000, b / 16_000) for a, b in spans] for spans in self.spans(channels)]


@pytest.fixture
def loud_finder():
    return LoudFinder()


@pytest.fixture
def bursts(noise):
    """Sound that is loud from so many seconds to so many, silent else."""

    def make(seconds: float, *spans: tuple[float, float], rate_hz: int = 24_000):
        pcm = np.zeros(round(seconds * rate_hz), np.float32)
        for start_s, end_s in spans:
            start, end = round(start_s * rate_hz), round(end_s * rate_hz)
            pcm[start:end] = noise(end_s - start_s, rate_hz)[: end - start]
        return pcm

    return make
