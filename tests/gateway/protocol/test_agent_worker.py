import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.protocol import agent

from voiceagent.errors import BadMessage
from voiceagent.gateway.protocol import agent_worker
from voiceagent.gateway.protocol.agent_worker import (
    Assigned,
    Job,
    Offered,
    Pong,
    Registered,
    Terminated,
    decode,
)


def server(**message):
    return agent.ServerMessage(**message).SerializeToString()


def sent(data):
    return agent.WorkerMessage.FromString(data)


def a_job():
    return agent.Job(id="AJ_1", room={"name": "call-1", "metadata": "y"}, metadata='{"role": "x"}')


JOB = Job("AJ_1", "call-1", '{"role": "x"}', "y")


@pytest.mark.parametrize(
    ("message", "event"),
    [
        (
            {"register": {"worker_id": "AW_1", "server_info": {"version": "1.13.5"}}},
            Registered("AW_1", "1.13.5"),
        ),
        ({"availability": {"job": a_job()}}, Offered(JOB)),
        (
            {"assignment": {"job": a_job(), "url": "ws://b", "token": "t"}},
            Assigned(JOB, "ws://b", "t"),
        ),
        ({"termination": {"job_id": "AJ_1"}}, Terminated("AJ_1")),
        ({"pong": {"timestamp": 5}}, Pong()),
        ({}, Pong()),
    ],
)
def test_each_message_of_the_server_has_its_meaning(message, event):
    assert decode(server(**message)) == event


@given(st.binary(max_size=200))
def test_bytes_of_any_kind_are_an_event_or_a_bad_message(data):
    try:
        decode(data)
    except BadMessage:
        pass


@pytest.mark.parametrize("data", ["text", b"\xff\xff\xff"])
def test_what_is_no_message_is_refused_without_its_content(data):
    with pytest.raises(BadMessage, match="LiveKit server sent"):
        decode(data)


def test_an_assignments_token_is_not_shown():
    assert "secret" not in repr(Assigned(JOB, "", "secret"))


def test_a_worker_registers_for_rooms_and_may_speak_and_set_its_attributes():
    found = sent(agent_worker.register("voice", "1.0")).register
    assert (found.type, found.agent_name, found.version) == (agent.JT_ROOM, "voice", "1.0")
    permissions = found.allowed_permissions
    assert permissions.can_publish
    assert permissions.can_update_metadata


def test_an_accepted_job_names_the_agent_and_a_refused_one_nothing():
    yes = sent(agent_worker.accept("AJ_1", "agent-1", "voice", {"a": "b"})).availability
    assert (yes.available, yes.participant_identity, yes.participant_name) == (
        True,
        "agent-1",
        "voice",
    )
    assert yes.participant_attributes == {"a": "b"}
    assert not sent(agent_worker.refuse("AJ_1")).availability.available


@pytest.mark.parametrize(
    ("is_draining", "status"), [(False, agent.WS_AVAILABLE), (True, agent.WS_FULL)]
)
def test_a_worker_that_drains_says_that_it_is_full(is_draining, status):
    found = sent(agent_worker.status(0.5, 2, is_draining=is_draining)).update_worker
    assert (found.status, found.load, found.job_count) == (status, 0.5, 2)
    assert found.draining == is_draining


def test_the_end_of_a_job_tells_success_from_failure():
    assert sent(agent_worker.job_running("a")).update_job.status == agent.JS_RUNNING
    assert sent(agent_worker.job_over("a")).update_job.status == agent.JS_SUCCESS
    failed = sent(agent_worker.job_over("a", "why")).update_job
    assert (failed.status, failed.error) == (agent.JS_FAILED, "why")


def test_jobs_that_go_on_and_pings_are_told():
    assert list(sent(agent_worker.migrate(["a", "b"])).migrate_job.job_ids) == ["a", "b"]
    assert sent(agent_worker.ping(7)).ping.timestamp == 7
