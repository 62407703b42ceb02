"""What a target of the bench is: something that is given recordings and gives back its own sound.

A target takes calls and yields, for each of them in any order, a reply or the reason why there is
none. A reply begins with the recording and may be a little longer or shorter; the runner brings it
to the recording's length. Next: `converse`, then `close`.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.bench.transcript import Transcript
from voiceagent.errors import VoiceAgentError


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A recording to be played to the target.

    Attributes:
        key: names the call, for the reply.
        user: f32[N] at 24 kHz, at least one sample.
    """

    key: str
    user: Samples


@dataclass(frozen=True, slots=True, eq=False)
class Reply:
    """What the target made of a call.

    Attributes:
        key: of the call.
        agent: f32[N], what a caller hears from the recording's first sample on: whatever delay the
            target has is in it.
        words: what the target says that it said, on the same clock; None where it does not tell.
        rate_hz: of the sound; kept, since the official scripts depend on it.
    """

    key: str
    agent: Samples
    words: Transcript | None = None
    rate_hz: int = SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Failure:
    """A call without a reply.

    Attributes:
        key: of the call.
        reason: a sentence without a full stop.
    """

    key: str
    reason: str


Outcome: TypeAlias = Reply | Failure
#: Told how many seconds of recordings were played since it was last told.
OnSeconds: TypeAlias = Callable[[float], object]


class Target(Protocol):
    """See the module's docstring."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a table must say about it: name, model, settings, pace. Plain JSON values.

        The runner refuses to go on with a run under other facts.
        """

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """Play every call.

        Args:
            calls: taken one by one, as there is room.
            on_seconds: told of progress.

        Yields:
            One outcome a call, as soon as it is known. What goes wrong in one call is a `Failure`.

        Raises:
            VoiceAgentError: no further call can succeed.
        """

    def close(self) -> None:
        """Let go of connections and processes; harmless the second time."""


def in_lanes(
    calls: Iterable[Call], converse: Callable[[Call], Reply], num_lanes: int = 1
) -> Iterator[Outcome]:
    """Play calls for a target that holds one at a time, several beside one another.

    Args:
        calls: taken one by one.
        converse: plays one, in a thread of its own; what it raises of our errors, `OSError` (a
            `TimeoutError` too) and `EOFError` becomes a `Failure`.
        num_lanes: how many at once.
    """
    waiting = iter(calls)
    with concurrent.futures.ThreadPoolExecutor(num_lanes, "bench-lane") as pool:
        running: set[concurrent.futures.Future[Outcome]] = set()
        try:
            while True:
                while len(running) < num_lanes and (call := next(waiting, None)) is not None:
                    running.add(pool.submit(_guarded, converse, call))
                if not running:
                    return
                done, running = concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED
                )
                for future in done:
                    yield future.result()
        finally:
            for future in running:
                future.cancel()


def _guarded(converse: Callable[[Call], Reply], call: Call) -> Outcome:
    try:
        return converse(call)
    except (VoiceAgentError, OSError, EOFError) as error:
        return Failure(call.key, str(error) or type(error).__name__)
