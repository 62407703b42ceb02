"""A target by the name that the command line gives it."""

from __future__ import annotations

import functools
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
        token: of a gateway that wants one.
        num_lanes: conversations at once with a gateway.
    """

    in_process: InProcessConfig = field(default_factory=InProcessConfig)
    token: str | None = None
    num_lanes: int = 1


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


def check_reachable(name: str) -> None:
    """See that a target with an address answers there; others are what `open_target` opened.

    Raises:
        TargetError: nobody listens at the address.
    """
    if name.partition(":")[0] in _WITH_ADDRESS:
        from voiceagent.bench.targets.live import check_listening

        check_listening(name)


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


def _moshi(kind: str, place: str, options: TargetOptions) -> Target:
    try:
        from voiceagent.bench.targets.moshi import MoshiTarget
    except ImportError as error:
        raise _missing(kind, error) from error
    return MoshiTarget(f"{kind}:{place}")


def _web_rtc(kind: str, place: str, options: TargetOptions) -> Target:
    try:
        from voiceagent.bench.targets.webrtc import WebRtcTarget
    except ImportError as error:
        raise _missing(kind, error) from error
    return WebRtcTarget(f"{kind}:{place}", token=options.token, num_lanes=options.num_lanes)


def _cascade(place: str, options: TargetOptions) -> Target:
    try:
        from voiceagent.bench.targets.cascade import CascadeTarget
    except ImportError as error:
        raise _missing("cascade", error) from error
    return CascadeTarget()


def _missing(kind: str, error: ImportError) -> ConfigError:
    return ConfigError(
        f"target {kind}: {error.name} is missing; pip install 'voiceagent[asr,bench,scenes,serve]'"
    )


_WITH_ADDRESS = ("ws", "wss", "webrtc+http", "webrtc+https")
TARGETS: dict[str, Callable[[str, TargetOptions], Target]] = {
    "in-process": _in_process,
    "replay": _replay,
    "cascade": _cascade,
    **{kind: functools.partial(_moshi, kind) for kind in ("ws", "wss")},
    **{kind: functools.partial(_web_rtc, kind) for kind in ("webrtc+http", "webrtc+https")},
}
KNOWN_TARGETS = (
    *("in-process", "replay:DIR", "cascade", "ws://HOST:PORT"),
    "webrtc+http://HOST:PORT",
)
