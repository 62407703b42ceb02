import pytest

from voiceagent.records.store import RecordStore
from voiceagent.testing.decided import SCRIPT, observe, record_call

pytestmark = pytest.mark.asyncio


async def test_recorded_call_sounds_as_its_script(tmp_path):
    session_id = await record_call(tmp_path, "uu..aab.")
    trace = RecordStore(tmp_path).trace(session_id)
    sounds = [(frame.user_dbfs > -45, frame.agent_dbfs > -45) for frame in trace]
    assert ["ub"[b] if a else ".a"[b] for a, b in sounds][:7] == list("uu..aab")


async def test_recorded_call_has_every_kind_of_event(tmp_path):
    session_id = await record_call(tmp_path)
    axes = RecordStore(tmp_path).summary(session_id).axes
    assert (str(axes.pauses_held), str(axes.turns_taken)) == ("1/1", "1/1")
    assert axes.interruptions_honoured.of == 1


async def test_call_without_a_policy_has_no_turn_taking_in_its_record(tmp_path):
    session_id = await record_call(tmp_path, "uu..", policy="")
    record = RecordStore(tmp_path).record(session_id)
    assert record.header.turn_config is None
    assert {frame.turn for frame in record.trace} == {None}


async def test_model_is_seen_a_frame_later_than_the_user():
    both = observe("b.")
    assert [(seen.p_user > 0.5, seen.text) for seen in both] == [(True, "pad"), (False, "word")]
    assert len(observe(SCRIPT)) == len(SCRIPT)
