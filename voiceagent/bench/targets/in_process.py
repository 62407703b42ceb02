"""A model in this process, faster than real time: as many calls at once as it has slots.

The agent is heard one frame late, as live: its answer to a frame can only leave once that frame is
complete. What the step takes on top is not in it, so a score is of the model and not of a machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, Samples
from voiceagent.bench.targets.base import Call, OnSeconds, Outcome, Reply
from voiceagent.bench.transcript import TimedWord, with_ends
from voiceagent.errors import ConfigError
from voiceagent.serving.config import EngineConfig, ObserveConfig, SessionOptions

if TYPE_CHECKING:
    from voiceagent.serving.playback import Playback

#: Nothing is paced here: a step waits until its frame has been judged, however slow this machine.
_JUDGED_WITHIN_MS = 10_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class InProcessConfig:
    """What is run.

    Attributes:
        model: "nano" or a model folder.
        adapter: of the model; None for none.
        device: "auto", "cpu", "cuda" or "cuda:N".
        num_slots: calls at once.
        threads: of the step on a CPU.
        session: fields of `SessionOptions`, such as `policy`, `role`, `voice` and `seed`.
        voices: the folder of registered voices.
    """

    model: str = "nano"
    adapter: Path | None = None
    device: str = "auto"
    num_slots: int = 8
    threads: int = 1
    session: dict[str, Any] = dataclasses.field(default_factory=dict)
    voices: Path | None = None

    def options(self) -> SessionOptions:
        """Of every session.

        Raises:
            ConfigError: a field is unknown or has a value that cannot be.
        """
        try:
            return SessionOptions(**self.session)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"in-process: {error}") from error


class InProcessTarget:
    """See the module's docstring."""

    def __init__(self, config: InProcessConfig) -> None:
        """Load the model.

        Raises:
            ConfigError: it cannot be used, or a setting is wrong.
        """
        from voiceagent.serving.device import use_threads
        from voiceagent.serving.engine import Engine

        self._config, self._options = config, config.options()
        use_threads(config.threads)
        self._engine = Engine.load(
            config.model,
            EngineConfig(
                num_slots=config.num_slots,
                device=config.device,
                observe=ObserveConfig(wait_ms=_JUDGED_WITHIN_MS),
            ),
            adapter=config.adapter,
            voices=config.voices,
        )

    @property
    def facts(self) -> dict[str, Any]:
        """Model and session; how many at once changes no sound of a greedy model."""
        config = self._config
        return {
            "target": "in-process",
            "model": config.model,
            "adapter": None if config.adapter is None else str(config.adapter),
            "device": config.device,
            "session": {"policy": EngineConfig().policy, **config.session},
            "pace": "faster than real time",
            "delay_ms": FRAME_MS,
        }

    def converse(self, calls: Iterable[Call], on_seconds: OnSeconds) -> Iterator[Outcome]:
        """See `Target`."""
        from voiceagent.serving.playback import play_each

        taken: list[Call] = []

        def sounds() -> Iterator[Samples]:
            for call in calls:
                taken.append(Call(call.key, call.user[:0]))  # its sound is not kept
                yield call.user

        def on_frames(count: int) -> None:
            on_seconds(count * FRAME_MS / 1000)

        for index, playback in play_each(self._engine, sounds(), on_frames, self._options):
            yield _reply(taken[index].key, playback)

    def close(self) -> None:
        """Nothing to let go of."""


def _reply(key: str, playback: Playback) -> Reply:
    """As it is heard: a frame late."""
    agent = np.concatenate([np.zeros(FRAME_SAMPLES, np.float32), playback.agent])
    words = [TimedWord(w.text, (w.time_ms + FRAME_MS) / 1000, None) for w in playback.said]
    return Reply(key, agent, with_ends(words))
