"""The first stage: every recording is played to the target, and its own sound is kept.

    run -> `recognise` -> `verdicts`, where a judge is asked -> `score` -> `report`, `compare`

Each stage reads what the one before left in the run's folder and can be stopped at any point; the
same command goes on where it was. What is done is not done again, what failed is tried again. A
recording that fails is marked with its reason and the run goes on; a target that fails several
times in a row has gone, and the run stops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import soundfile

from voiceagent.audio.framing import FRAME_MS, SAMPLE_RATE_HZ
from voiceagent.bench.folder import DONE, FAILED, RunFolder, State
from voiceagent.bench.sound import Sound, fit, read_sound, write_sound
from voiceagent.bench.suite import Sample
from voiceagent.bench.targets.base import Call, Failure, OnSeconds, Reply, Target
from voiceagent.errors import BenchError, VoiceAgentError

#: So many failures in a row are the target's and not the recordings'.
MOST_FAILURES = 8
#: A reply may end so long before its recording; what is missing is silence.
_MISSING_S = 2 * FRAME_MS / 1000


@dataclass(frozen=True, slots=True)
class Take:
    """One file to play: a recording, or its clean twin."""

    sample: Sample
    prefix: str

    @property
    def key(self) -> str:
        """Names it for the target."""
        return f"{self.sample.key}/{self.prefix}output"


def pending(folder: RunFolder, samples: Sequence[Sample]) -> list[Take]:
    """What is left to play."""
    takes = [Take(s, prefix) for s in samples if not s.fault for prefix in s.takes]
    return [take for take in takes if not _is_done(folder, take)]


def unplayed(folder: RunFolder, samples: Sequence[Sample]) -> list[Sample]:
    """The samples of which something is left to play."""
    left = {take.sample.key for take in pending(folder, samples)}
    return [sample for sample in samples if sample.key in left]


def seconds_left(folder: RunFolder, samples: Sequence[Sample]) -> float:
    """How long the recordings last that are left to play; what cannot be read counts nothing."""
    return sum(_duration_s(take) for take in pending(folder, samples))


def play_samples(
    folder: RunFolder,
    samples: Sequence[Sample],
    target: Target,
    on_seconds: OnSeconds,
    on_failure: Callable[[str, str], object],
) -> None:
    """Play what is left.

    Args:
        folder: with its plan written.
        samples: of the plan.
        target: open.
        on_seconds: told how many seconds of recordings were played.
        on_failure: told key and reason of every recording that failed.

    Raises:
        BenchError: the target has gone, or a file cannot be written.
        VoiceAgentError: the target's own.
    """
    stage = _Stage(folder, on_failure)
    for sample in samples:
        if sample.fault:
            stage.fail(Take(sample, ""), sample.fault)
    for outcome in target.converse(stage.calls(pending(folder, samples)), on_seconds):
        stage.take(outcome)


class _Stage:
    """Hands out calls and keeps what comes back."""

    def __init__(self, folder: RunFolder, on_failure: Callable[[str, str], object]) -> None:
        self._folder, self._on_failure = folder, on_failure
        self._playing: dict[str, tuple[Take, float]] = {}
        self._in_a_row = 0

    def calls(self, takes: Sequence[Take]) -> Iterator[Call]:
        for take in takes:
            try:
                sound = read_sound(take.sample.input_path(take.prefix))
            except VoiceAgentError as error:
                self.fail(take, str(error))
                continue
            self._playing[take.key] = take, sound.duration_s
            yield Call(take.key, sound.at(SAMPLE_RATE_HZ))

    def take(self, outcome: Reply | Failure) -> None:
        take, duration_s = self._playing.pop(outcome.key)
        reason = _fault(outcome, duration_s)
        if isinstance(outcome, Failure) or reason:
            self.fail(take, reason)
            self._count(reason)
        else:
            self._in_a_row = 0
            self._keep(take, outcome, duration_s)

    def _count(self, reason: str) -> None:
        self._in_a_row += 1
        if self._in_a_row >= MOST_FAILURES:
            raise BenchError(
                f"{self._in_a_row} recordings failed in a row, the last one because: {reason}; "
                "mend that, then the same command goes on from here"
            )

    def _keep(self, take: Take, reply: Reply, duration_s: float) -> None:
        key, prefix = take.sample.key, take.prefix
        pcm = fit(reply.agent, round(duration_s * reply.rate_hz))
        path = self._folder.inside(key, f"{prefix}output.wav")
        write_sound(path, Sound(pcm, reply.rate_hz))
        if reply.words is not None:
            self._folder.set_own_words(key, prefix, reply.words)
        state = State(DONE, duration_s=duration_s)
        self._folder.set_state(key, prefix, state)

    def fail(self, take: Take, reason: str) -> None:
        self._folder.set_state(take.sample.key, take.prefix, State(FAILED, reason))
        self._on_failure(f"{take.sample.key} {take.prefix}".strip(), reason)


def _fault(outcome: Reply | Failure, duration_s: float) -> str:
    """Why an outcome is of no use; empty where it is."""
    if isinstance(outcome, Failure):
        return outcome.reason
    missing_s = duration_s - len(outcome.agent) / outcome.rate_hz
    if missing_s <= _MISSING_S:
        return ""
    return f"the target stopped {missing_s:.1f} s before the recording did"


def _duration_s(take: Take) -> float:
    try:
        return float(soundfile.info(take.sample.input_path(take.prefix)).duration)
    except (soundfile.LibsndfileError, OSError):
        return 0.0


def _is_done(folder: RunFolder, take: Take) -> bool:
    state = folder.state(take.sample.key, take.prefix)
    return state is not None and state.status == DONE
