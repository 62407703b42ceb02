"""The engine process: `python -m voiceagent.serving.worker --model nano --address ipc://...`.

One ROUTER socket, one thread, one loop: receive all that is there, step, send. Everything that has
a meaning is in `hub`; here are the socket, its bounds and the signals. A gateway that does not read
loses messages at its own high-water mark and never stalls the others. Writes one line `ready
ADDRESS FORECAST` to stdout when sessions can be opened. With --echo no model and no torch is
loaded.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import os
import signal
import stat
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

import zmq

from voiceagent.audio.framing import FRAME_MS
from voiceagent.clock import MonotonicClock
from voiceagent.errors import ConfigError, DetectorUnavailable, MalformedMessage, VoiceAgentError
from voiceagent.serving.config import EngineConfig, ObserveConfig, WorkerConfig
from voiceagent.serving.hub import Hub
from voiceagent.serving.messages import MAX_MESSAGE_BYTES, FromEngine, decode, encode
from voiceagent.serving.metrics import StepForecast, StepMetrics
from voiceagent.serving.stepping import SteppingEngine
from voiceagent.turntaking.config import TurnConfig

if TYPE_CHECKING:
    from voiceagent.serving.engine import Engine

#: Messages of one turn at most, so that a flood cannot keep the slots from stepping.
MAX_RECEIVED_A_TURN = 1024
#: For what was said last, when the process ends.
LINGER_MS = 200
#: What the supervisor writes to a spare process to make it the engine.
SERVE_LINE = b"serve\n"
#: What the process writes, followed by address and forecast, when sessions can be opened.
READY_WORD = "ready"

_log = logging.getLogger(__name__)
_Config = TypeVar("_Config")


class Worker:
    """The hub behind a socket. Next: `serve`, which returns after `stop`."""

    def __init__(self, hub: Hub, address: str, num_slots: int, supervisor_fd: int | None) -> None:
        self._hub = hub
        self._supervisor_fd = supervisor_fd
        self._is_stopping = False
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.set(zmq.LINGER, LINGER_MS)
        self._socket.set(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        # a full or vanished gateway is an error of that send, instead of a silent loss
        self._socket.set(zmq.ROUTER_MANDATORY, 1)
        # two seconds of every slot: the high-water mark of each gateway, both ways
        high_water = 25 * num_slots + 100
        self._socket.set(zmq.SNDHWM, high_water)
        self._socket.set(zmq.RCVHWM, high_water)
        self._socket.bind(address)
        #: Where it can be reached; differs from the one given only for "tcp://127.0.0.1:*".
        self.address = self._socket.get_string(zmq.LAST_ENDPOINT).rstrip("\0")

    def stop(self, _signal: int = 0, _frame: FrameType | None = None) -> None:
        """Let `serve` return after its turn; may be called by a signal handler."""
        self._is_stopping = True

    def serve(self) -> None:
        """Serve until stopped, then end all sessions and close the socket."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        if self._supervisor_fd is not None:
            poller.register(self._supervisor_fd, zmq.POLLIN)
        try:
            while not self._is_stopping:
                events = dict(poller.poll(-(-self._hub.wait_us() // 1000)))
                if self._supervisor_fd in events:
                    _log.warning("the supervisor is gone; stopping")
                    break
                self._receive_all()
                self._send_all(self._hub.turn())
            self._send_all(self._hub.end_all("the engine was stopped"))
        finally:
            self._context.destroy(linger=LINGER_MS)

    def _receive_all(self) -> None:
        for _ in range(MAX_RECEIVED_A_TURN):
            try:
                client, *parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            try:
                self._hub.receive(client, decode(b"".join(parts)))
            except MalformedMessage as error:
                self._hub.counters.bad_messages += 1
                _log.warning("from gateway %s: %s", client.hex(), error)

    def _send_all(self, outbox: Sequence[tuple[bytes, FromEngine]]) -> None:
        for client, message in outbox:
            try:
                self._socket.send_multipart([client, encode(message)], zmq.NOBLOCK)
            except zmq.Again:
                self._hub.undelivered(client, message)
            except zmq.ZMQError as error:
                if error.errno != zmq.EHOSTUNREACH:
                    raise
                self._hub.lost(client)


def load_engine(config: WorkerConfig) -> tuple[SteppingEngine, StepForecast | None]:
    """The engine that was asked for, warm: its first step takes no longer than the others.

    Returns:
        It, and what its steps will take; None for the echo engine and after a restart.

    Raises:
        ConfigError: its steps will take too long, and nobody allowed that.
        DetectorUnavailable: turn-taking needs a detector that is missing.
    """
    if config.is_echo:
        from voiceagent.serving.echo import EchoEngine

        return EchoEngine(config.engine), None
    from voiceagent.serving.device import use_threads
    from voiceagent.serving.engine import Engine

    use_threads(1)
    engine = Engine.load(config.model, config.engine, adapter=config.adapter, voices=config.voices)
    try:  # for sessions that ask for turn-taking where the others have none
        engine.load_detectors()
    except DetectorUnavailable as error:
        _log.info("sessions that ask for turn-taking will be refused: %s", error)
    if not config.is_restart:
        return engine, check_forecast(engine, config.engine)
    session = engine.open_session()
    session.push_silence()
    engine.step()
    engine.close(session)
    engine.metrics = StepMetrics()
    return engine, None


def check_forecast(engine: Engine, config: EngineConfig) -> StepForecast:
    """What the steps of this engine will take.

    Raises:
        ConfigError: too long, and nobody allowed that; says how many conversations would do.
    """
    found = engine.forecast()
    if found.is_in_time:
        return found
    if config.allow_slow:
        _log.warning("too slow: a step takes %d ms (p99)", found.p99_us // 1000)
        return found
    fewer = engine.most_in_time()
    remedy = f"--slots {fewer} would do" if fewer else "not even one would do"
    raise ConfigError(
        f"a step of {found.num_slots} full conversations takes {found.p99_us / 1000:.0f} ms (p99, "
        f"{found.device}), and frames come every {FRAME_MS} ms; {remedy}, or start all the same, "
        "stuttering, with --allow-slow"
    )


def check_private(address: str) -> None:
    """Raise ConfigError unless only this user can reach the folder of an ipc address."""
    if not address.startswith("ipc://"):
        return
    folder = Path(address.removeprefix("ipc://")).parent
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder for the engine's socket")
    status = folder.stat()
    if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise ConfigError(f"{folder}: the engine's socket needs a folder of your own, mode 0700")


def await_turn(config: WorkerConfig) -> bool:
    """As a spare: import what takes long, then wait until the supervisor needs an engine.

    Returns:
        False when the supervisor went away instead.
    """
    if not config.is_echo:
        import voiceagent.serving.engine  # noqa: F401
    return sys.stdin.buffer.readline() == SERVE_LINE


def parse_arguments(arguments: Sequence[str]) -> tuple[WorkerConfig, bool]:
    """Flags to config, and whether a supervisor holds stdin."""
    parser = argparse.ArgumentParser(prog="voiceagent.serving.worker", description=__doc__)
    parser.add_argument("--address", required=True, help="ipc:///path or tcp://127.0.0.1:port")
    parser.add_argument("--model", default="nano", help='"nano" or a model folder')
    parser.add_argument("--slots", type=int, default=1, help="conversations at once")
    parser.add_argument("--echo", action="store_true", help="no model: give each its sound back")
    defaults = EngineConfig()
    parser.add_argument("--gate-below-dbfs", type=float, default=defaults.gate_below_dbfs)
    parser.add_argument("--max-queued-frames", type=int, default=defaults.max_queued_frames)
    parser.add_argument("--retry-after-s", type=float, default=defaults.retry_after_s)
    parser.add_argument("--device", default=defaults.device, help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--adapter", type=Path, help="folder of a LoRA or DoRA adapter")
    parser.add_argument("--voices", type=Path, help="folder of registered voices")
    parser.add_argument("--prompt-cache-mib", type=int, default=defaults.prompt_cache_mib)
    parser.add_argument("--policy", default=defaults.policy, help="turn-taking: off, shadow or on")
    parser.add_argument("--turns", default="{}", help="its thresholds that are not the default's")
    parser.add_argument("--observe", default="{}", help="likewise how the sound is judged")
    parser.add_argument("--timezone", default="", help="of the callers (default: this machine's)")
    parser.add_argument("--allow-slow", action="store_true", help="start though steps are too long")
    parser.add_argument("--restart", action="store_true", help="another process was measured")
    parser.add_argument(
        "--supervised",
        action="store_true",
        help="load, wait for the line 'serve' on stdin, stop when stdin ends",
    )
    options = parser.parse_args(arguments)
    try:
        engine = EngineConfig(
            num_slots=options.slots,
            gate_below_dbfs=options.gate_below_dbfs,
            max_queued_frames=options.max_queued_frames,
            retry_after_s=options.retry_after_s,
            device=options.device,
            allow_slow=options.allow_slow,
            prompt_cache_mib=options.prompt_cache_mib,
            policy=options.policy,
            turns=_from_json(TurnConfig, options.turns),
            observe=_from_json(ObserveConfig, options.observe),
            timezone=options.timezone,
        )
        config = WorkerConfig(
            address=options.address,
            model=options.model,
            is_echo=options.echo,
            adapter=options.adapter,
            voices=options.voices,
            engine=engine,
            is_restart=options.restart,
        )
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error
    return config, options.supervised


def _to_json(config: Any) -> str:
    """The fields of a flat config that are not the default's."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    default = type(config)()
    changed = {name: value for name, value in values.items() if value != getattr(default, name)}
    return json.dumps(changed, default=str)


def _from_json(config: type[_Config], text: str) -> _Config:
    """The inverse of `_to_json`."""
    values, hints = json.loads(text), typing.get_type_hints(config)
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
        elif Path in typing.get_args(hints.get(name)):
            values[name] = Path(value)
    return config(**values)


def to_arguments(config: WorkerConfig) -> list[str]:
    """The flags that `parse_arguments` makes this config of."""
    engine = config.engine
    flags = {
        "--address": config.address,
        "--model": config.model,
        "--slots": engine.num_slots,
        "--gate-below-dbfs": engine.gate_below_dbfs,
        "--max-queued-frames": engine.max_queued_frames,
        "--retry-after-s": engine.retry_after_s,
        "--device": engine.device,
        "--prompt-cache-mib": engine.prompt_cache_mib,
        "--policy": engine.policy,
        "--turns": _to_json(engine.turns),
        "--observe": _to_json(engine.observe),
        "--timezone": engine.timezone,
        **({"--adapter": config.adapter} if config.adapter else {}),
        **({"--voices": config.voices} if config.voices else {}),
    }
    return [
        *(f"{flag}={value}" for flag, value in flags.items()),
        *["--echo"] * config.is_echo,
        *["--allow-slow"] * engine.allow_slow,
        *["--restart"] * config.is_restart,
    ]


def run(config: WorkerConfig, *, is_supervised: bool) -> None:
    """Load, say that it is ready, serve until SIGTERM or SIGINT."""
    check_private(config.address)
    if is_supervised and not await_turn(config):
        return
    clock = MonotonicClock()
    engine, forecast = load_engine(config)
    hub = Hub(engine, config.name, clock)
    supervisor_fd = sys.stdin.fileno() if is_supervised else None
    worker = Worker(hub, config.address, config.engine.num_slots, supervisor_fd)
    signal.signal(signal.SIGTERM, worker.stop)
    signal.signal(signal.SIGINT, worker.stop)
    found = json.dumps(forecast and dataclasses.asdict(forecast))
    sys.stdout.write(f"{READY_WORD} {worker.address} {found}\n")
    sys.stdout.flush()
    worker.serve()


def main(arguments: Sequence[str] | None = None) -> int:
    """The process; returns its exit status: 2 for settings that cannot work."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    try:
        config, is_supervised = parse_arguments(sys.argv[1:] if arguments is None else arguments)
        run(config, is_supervised=is_supervised)
    except (VoiceAgentError, zmq.ZMQError) as error:
        _log.error("%s: %s", type(error).__name__, error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
