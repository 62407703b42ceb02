import asyncio
import dataclasses
import math

import numpy as np
import pytest

from voiceagent.gateway.recording import Origin, RecordedPort, recorded
from voiceagent.records.config import RecordsConfig
from voiceagent.records.store import RecordStore
from voiceagent.serving.ports import PortFrame, SessionOptions
from voiceagent.testing.decided import SCRIPT, decided, observe, record_call
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.trace import config_from_json


def frame(step, pcm, is_filled=False, skipped_frames=0):
    numbers = (0.9, 0.1, 0.2, is_filled, is_filled, skipped_frames, 9_000, 11_000)
    return PortFrame(step, 80 * step, pcm, " hi", None, *numbers)


class EchoPort:
    """Gives each whole frame back."""

    ended = None
    dropped_in_frames = 1
    dropped_out_frames = 2
    is_prompted = is_preparing = False

    def __init__(self):
        self.sound = np.zeros(0, np.float32)
        self.is_closed = False
        self.reports = []
        self.played = self.reports.append
        self.announced = []

    def announce(self, pcm, text, *, is_held):
        self.announced.append((pcm, text, is_held))
        return True

    def push(self, pcm):
        self.sound = np.concatenate([self.sound, pcm])

    async def frames(self):
        for step in range(len(self.sound) // 1920):
            pcm = self.sound[1920 * step : 1920 * (step + 1)]
            yield frame(step, pcm)

    async def close(self):
        self.is_closed = True


def loud(count):
    return np.full(count, 0.1, np.float32)


async def converse(port):
    port.push(loud(3 * 1920))
    port.push(loud(100))
    frames = [frame async for frame in port.frames()]
    await port.close()
    await port.finish("hung up", 4)
    return frames


def test_recorded_port_hands_on_and_writes_what_passed(tmp_path):
    bare = EchoPort()
    port = recorded(bare, RecordsConfig(dir=tmp_path), Origin(model="nano"))
    assert isinstance(port, RecordedPort)
    port.played(640)
    frames = asyncio.run(converse(port))
    assert len(frames) == 3
    assert bare.reports == [640]
    assert bare.is_closed
    assert (port.ended, port.dropped_in_frames, port.dropped_out_frames) == (None, 1, 2)
    assert not port.is_preparing
    (session_id,) = RecordStore(tmp_path).ids()
    summary = RecordStore(tmp_path).summary(session_id)
    assert (summary.end_reason, summary.frames_lost, summary.words_said) == ("hung up", 4, 3)
    assert [f.user_dbfs for f in RecordStore(tmp_path).trace(session_id)] == [-20.0] * 3


class StallingPort(EchoPort):
    """Hears frame 0, then nothing for two frames, drops the two that came too late, goes on."""

    async def frames(self):
        for step in range(5):
            yield frame(
                step,
                np.zeros(1920, np.float32),
                is_filled=step in (1, 2),
                skipped_frames=2 if step == 3 else 0,
            )


def test_record_of_a_stall_has_silence_where_the_engine_had_it(tmp_path):
    port = recorded(StallingPort(), RecordsConfig(dir=tmp_path), Origin(model="nano"))
    for level in (0.1, 0.2, 0.3, 0.01, 0.001):
        port.push(np.full(1920, level, np.float32))
    asyncio.run(converse_without_pushing(port))
    (session_id,) = RecordStore(tmp_path).ids()
    levels = [row.user_dbfs for row in RecordStore(tmp_path).trace(session_id)]
    assert levels == [-20.0, -144.0, -144.0, -40.0, -60.0]


async def converse_without_pushing(port):
    async for _ in port.frames():
        pass
    await port.finish("hung up", 0)


def test_recorded_port_without_a_place_to_write_is_the_bare_port(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    bare = EchoPort()
    assert recorded(bare, RecordsConfig(dir=tmp_path / "file"), Origin(model="nano")) is bare
    assert "not recorded" in caplog.text


def test_recorded_port_whose_disk_fails_only_logs(tmp_path, caplog, monkeypatch):
    port = recorded(EchoPort(), RecordsConfig(dir=tmp_path), Origin(model="nano"))

    def fail(*arguments, **options):
        port._recorder._rows.put(None)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(port._recorder, "close", fail)
    asyncio.run(port.finish("hung up", 0))
    assert "No space left" in caplog.text


@pytest.mark.parametrize("extra", [0, 50_000])
def test_recorded_port_keeps_at_most_a_second_of_user_sound(tmp_path, extra):
    port = recorded(EchoPort(), RecordsConfig(dir=tmp_path), Origin(model="nano"))
    port.push(loud(20_000 + extra))
    assert len(port._pending) == min(20_000 + extra, 24_000)
    asyncio.run(port.finish("done", 0))


@pytest.mark.parametrize("is_prompted", [True, False])
def test_record_keeps_the_role_and_voice_that_the_model_was_told(tmp_path, is_prompted):
    bare = EchoPort()
    bare.is_prompted = is_prompted
    options = SessionOptions(role="sell bread", voice="alice")
    asyncio.run(converse(recorded(bare, RecordsConfig(dir=tmp_path), Origin(model="m"), options)))
    (session_id,) = RecordStore(tmp_path).ids()
    header = RecordStore(tmp_path).summary(session_id).header
    wanted = ("sell bread", "alice") if is_prompted else ("", "")
    assert (header.role, header.voice) == wanted


def test_sound_that_came_while_the_model_was_told_its_role_is_not_recorded(tmp_path):
    bare = EchoPort()
    port = recorded(bare, RecordsConfig(dir=tmp_path), Origin(model="m"))
    bare.is_preparing = True
    port.push(np.full(1920, 0.9, np.float32))
    bare.is_preparing, bare.sound = False, np.zeros(0, np.float32)
    asyncio.run(converse(port))
    (session_id,) = RecordStore(tmp_path).ids()
    assert {row.user_dbfs for row in RecordStore(tmp_path).trace(session_id)} == {-20.0}


def test_record_keeps_what_turn_taking_saw_and_decided_to_the_last_bit(tmp_path):
    config = TurnConfig(duck_db=-7.3)
    session_id = asyncio.run(record_call(tmp_path, config=config, policy="shadow"))
    record = RecordStore(tmp_path).record(session_id)
    rows = [dataclasses.asdict(row) for row in decided(observe(SCRIPT), config)]
    assert [frame.turn.row["observation"] for frame in record.trace] == [
        row["observation"] for row in rows
    ]
    assert repr(record.trace[9].turn.row["observation"]["p_user"]) == repr(0.9 + 2 / 90)
    assert {frame.turn.policy for frame in record.trace} == {"shadow"}
    assert math.isclose(record.trace[40].turn.generated_dbfs, -20.0)
    assert config_from_json(record.header.turn_config) == config


def test_record_of_a_session_without_a_policy_holds_none(tmp_path):
    session_id = asyncio.run(record_call(tmp_path, "uu..", policy=""))
    assert RecordStore(tmp_path).trace(session_id)[0].turn is None


def test_what_happens_to_a_call_is_written_down_with_its_next_frame(tmp_path):
    port = recorded(EchoPort(), RecordsConfig(dir=tmp_path), Origin(model="m"))
    port.note("dtmf 5")
    port.note("announcement greeting")
    asyncio.run(converse(port))
    (session_id,) = RecordStore(tmp_path).ids()
    events = [row.events for row in RecordStore(tmp_path).trace(session_id)]
    assert events == [("dtmf 5", "announcement greeting"), (), ()]


def test_an_announcement_goes_through_to_the_session(tmp_path):
    port = recorded(EchoPort(), RecordsConfig(dir=tmp_path), Origin(model="m"))
    pcm = np.full(1920, 0.01, np.float32)
    assert port.announce(pcm, "hello", is_held=False)
    assert port._port.announced == [(pcm, "hello", False)]


def test_a_record_says_who_called_and_by_what(tmp_path):
    origin = Origin(model="m").of_caller("sip", {"room": "r", "sip.phoneNumber": "+1"})
    asyncio.run(converse(recorded(EchoPort(), RecordsConfig(dir=tmp_path), origin)))
    (session_id,) = RecordStore(tmp_path).ids()
    header = RecordStore(tmp_path).summary(session_id).header
    assert (header.model, header.transport) == ("m", "sip")
    assert header.caller == {"room": "r", "sip.phoneNumber": "+1"}
