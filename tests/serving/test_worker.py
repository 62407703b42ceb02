import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zmq

from voiceagent.errors import ConfigError, DetectorUnavailable
from voiceagent.serving.config import (
    EngineConfig,
    ObserveConfig,
    SessionOptions,
    WorkerConfig,
)
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.messages import (
    AgentFrame,
    GetStatus,
    OpenSession,
    SessionOpened,
    StatusReport,
    UserFrame,
    decode,
    encode,
)
from voiceagent.serving.metrics import StepForecast
from voiceagent.serving.worker import (
    check_forecast,
    check_private,
    load_engine,
    parse_arguments,
    to_arguments,
)
from voiceagent.turntaking.config import TurnConfig


class RawGateway:
    """A socket that says what it is told."""

    def __init__(self, context, address, receive_bound=1000):
        self.socket = context.socket(zmq.DEALER)
        self.socket.set(zmq.LINGER, 0)
        self.socket.set(zmq.RCVHWM, receive_bound)
        self.socket.set(zmq.RCVTIMEO, 5000)
        self.socket.connect(address)

    def say(self, message):
        self.socket.send(encode(message))

    def hear(self, kind):
        while not isinstance(message := decode(self.socket.recv()), kind):
            pass
        return message

    def open(self):
        self.say(OpenSession(1, SessionOptions()))
        return self.hear(SessionOpened).key

    def status(self):
        self.say(GetStatus(1))
        return self.hear(StatusReport).status

    def until(self, holds):
        for _ in range(2000):
            if holds(status := self.status()):
                return status
        raise AssertionError(status)


@pytest.fixture
def gateway():
    gateways = []

    def connect(address, **bounds):
        gateways.append(RawGateway(context, address, **bounds))
        return gateways[-1]

    with zmq.Context() as context:
        yield connect
        for opened in gateways:
            opened.socket.close()


def user_frame(key, level=0.5):
    return UserFrame(key, 0, np.full(1920, level, np.float32))


def test_gateway_that_does_not_read_loses_its_own_messages_and_stalls_nobody(serve, gateway):
    engine = EchoEngine(EngineConfig(num_slots=2, max_queued_frames=1000))
    address = serve(engine)
    slow, quick = gateway(address, receive_bound=1), gateway(address)
    slow_key, quick_key = slow.open(), quick.open()
    for _ in range(600):
        slow.say(user_frame(slow_key))
    quick.say(user_frame(quick_key, 0.25))
    assert quick.hear(AgentFrame).pcm[0] == 0.25
    status = quick.until(lambda status: status.frames >= 601)
    assert 0 < status.dropped_out_messages < 600


def test_gateway_whose_socket_is_gone_frees_its_slot_at_the_next_frame(echo_address, gateway):
    vanishing, watching = gateway(echo_address), gateway(echo_address)
    vanishing.open()
    assert watching.status().num_free == 1
    vanishing.socket.close()
    assert watching.until(lambda status: status.num_free == 2).vanished_clients == 1


@pytest.mark.parametrize("rubbish", [[b""], [b"\x01rubbish"], [b"a", b"b"], [b"x" * 60_000]])
def test_rubbish_is_counted_and_harms_nobody(echo_address, gateway, rubbish):
    hostile, other = gateway(echo_address), gateway(echo_address)
    key = other.open()
    hostile.socket.send_multipart(rubbish)
    assert other.until(lambda status: status.bad_messages == 1)
    other.say(user_frame(key))
    assert other.hear(AgentFrame).pcm[0] == 0.5


def test_message_beyond_64_kib_cuts_off_only_its_sender(echo_address, gateway):
    hostile, other = gateway(echo_address), gateway(echo_address)
    hostile.socket.send(b"x" * 100_000)
    assert other.status().num_free == 2


def test_parse_arguments_is_the_inverse_of_to_arguments():
    engine = EngineConfig(
        num_slots=3,
        gate_below_dbfs=-55,
        max_queued_frames=7,
        retry_after_s=2,
        device="cuda:1",
        allow_slow=True,
        prompt_cache_mib=9,
        policy="on",
        turns=TurnConfig(duck_db=-9.5, is_gating=False, backchannel_words=("mm", "aha")),
        observe=ObserveConfig(vad_model=Path("a file"), wait_ms=3),
        timezone="Asia/Kolkata",
    )
    config = WorkerConfig(
        address="tcp://127.0.0.1:*",
        model="a b",
        is_echo=True,
        adapter=Path("an adapter"),
        voices=Path("the voices"),
        engine=engine,
        is_restart=True,
    )
    assert parse_arguments(to_arguments(config)) == (config, False)
    assert parse_arguments([*to_arguments(config), "--supervised"])[1]


@pytest.mark.parametrize(
    "flags",
    [
        *(["--slots=0"], ["--address=tcp://0.0.0.0:1"], ["--policy=maybe"]),
        *(['--turns={"duck_db": 3}'], ['--turns={"num": 1}'], ['--observe={"vad": "?"}']),
    ],
)
def test_flags_out_of_range_are_a_config_error(flags):
    with pytest.raises(ConfigError, match=r"num_slots|address|policy|duck_db|'num'|vad"):
        parse_arguments(["--address=tcp://127.0.0.1:*", *flags])


def test_address_with_too_long_a_path_is_refused():
    with pytest.raises(ValueError, match="106 bytes"):
        WorkerConfig(address="ipc:///" + "x" * 110)


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_socket_in_a_folder_open_to_others_is_refused(tmp_path, mode):
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="0700"):
        check_private(f"ipc://{tmp_path}/engine")


def test_socket_in_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        check_private(f"ipc://{tmp_path}/none/engine")


@pytest.mark.slow
def test_embedded_model_is_loaded_warm_with_all_slots_free_and_nothing_counted():
    engine, forecast = load_engine(WorkerConfig(address="tcp://127.0.0.1:*"))
    assert (engine.num_free, engine.metrics.steps) == (1, 0)
    assert (forecast.device, forecast.num_slots) == ("cpu", 1)
    assert 0 < forecast.floor_us < forecast.p50_us <= forecast.p99_us


@pytest.mark.slow
def test_no_session_waits_for_the_detectors_of_the_first_that_has_turn_taking(monkeypatch):
    engine, _ = load_engine(WorkerConfig(address="tcp://127.0.0.1:*"))
    assert engine.config.policy == "off"
    monkeypatch.setattr("voiceagent.serving.engine.Turns", None)  # none is made any more
    engine.open_session(SessionOptions(policy="on"))


@pytest.mark.slow
def test_worker_without_a_detector_starts_and_refuses_turn_taking(monkeypatch):
    def missing(config):
        raise DetectorUnavailable("Silero VAD", "no such module")

    monkeypatch.setattr("voiceagent.serving.ears.open_vad", missing)
    engine, _ = load_engine(WorkerConfig(address="tcp://127.0.0.1:*"))
    with pytest.raises(DetectorUnavailable):
        engine.open_session(SessionOptions(policy="on"))
    engine.open_session()


@pytest.mark.slow
def test_restarted_engine_is_warm_and_not_measured_again():
    engine, forecast = load_engine(WorkerConfig(address="tcp://127.0.0.1:*", is_restart=True))
    assert (engine.num_free, engine.metrics.steps, forecast) == (1, 0, None)


class SlowEngine:
    """Steps of 50 ms a conversation."""

    def __init__(self, num_slots):
        self.num_slots = num_slots

    def forecast(self):
        return StepForecast("cpu", self.num_slots, 1000, 50_000 * self.num_slots, 10)

    def most_in_time(self):
        return 1 if self.num_slots > 1 else 0


def test_engine_whose_steps_will_take_too_long_is_refused_with_the_number():
    with pytest.raises(ConfigError, match=r"4 full .* 200 ms .*80 ms; --slots 1 would do.*--allow"):
        check_forecast(SlowEngine(4), EngineConfig())


def test_engine_whose_steps_take_too_long_starts_where_that_is_allowed():
    found = check_forecast(SlowEngine(4), EngineConfig(allow_slow=True))
    assert not found.is_in_time


def run_worker(*flags):
    command = [sys.executable, "-m", "voiceagent.serving.worker", *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_process_says_when_it_is_ready_and_sigterm_ends_it_cleanly():
    with run_worker("--echo", "--address=tcp://127.0.0.1:*") as process:
        assert process.stdout.readline().startswith(b"ready tcp://127.0.0.1:")
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.slow
def test_process_with_a_missing_model_says_so_and_exits_2():
    with run_worker("--model=/nowhere", "--address=tcp://127.0.0.1:*") as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"/nowhere" in errors


@pytest.mark.slow
def test_supervised_process_ends_with_its_supervisor():
    command = [sys.executable, "-m", "voiceagent.serving.worker", "--echo", "--supervised"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*command, "--address=tcp://127.0.0.1:*"], **pipes) as process:
        process.stdin.write(b"serve\n")
        process.stdin.flush()
        assert process.stdout.readline().startswith(b"ready")
        process.stdin.close()
        assert process.wait(5) == 0
