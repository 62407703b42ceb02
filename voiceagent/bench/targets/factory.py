"""A target by the name that the command line gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from voiceagent.bench.targets.base import Target
from voiceagent.bench.targets.in_process import InProcessConfig
from voiceagent.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetOptions:
    """What targets may need besides their name.

    Attributes:
        in_process: for a model in this process.
    """

    in_process: InProcessConfig = field(default_factory=InProcessConfig)


def open_target(name: str, options: TargetOptions) -> Target:
    """Open a target; next: see `base.Target`.

    Args:
        name: "in-process", or a kind with a place, such as "replay:DIR".
        options: settings that the name does not hold.

    Raises:
        ConfigError: there is no such kind, or it cannot be used.
        VoiceAgentError: the target's own.
    """
    kind, _, place = name.partition(":")
    if kind not in TARGETS:
        raise ConfigError(f"there is no target {name!r}; there are: {', '.join(KNOWN_TARGETS)}")
    return TARGETS[kind](place, options)


def _in_process(place: str, options: TargetOptions) -> Target:
    from voiceagent.bench.targets.in_process import InProcessTarget

    if place:
        raise ConfigError(f"in-process:{place}: name a model with --model instead")
    return InProcessTarget(options.in_process)


def _replay(place: str, options: TargetOptions) -> Target:
    from voiceagent.bench.targets.replay import ReplayTarget

    if not place:
        raise ConfigError("replay: needs a folder of recordings, replay:DIR")
    return ReplayTarget(Path(place))


TARGETS: dict[str, Callable[[str, TargetOptions], Target]] = {
    "in-process": _in_process,
    "replay": _replay,
}
KNOWN_TARGETS = ("in-process", "replay:DIR")
