from types import SimpleNamespace

import jwt
import pytest

from voiceagent.testing.dialled import Dialled

SERVER = SimpleNamespace(url="ws://a", api_key="key", api_secret="s" * 40)


def claims(dialled, *, is_answered=False):
    token = dialled.token(SERVER, "SCL_1", is_answered=is_answered)
    return jwt.decode(token, SERVER.api_secret, algorithms=["HS256"])


@pytest.mark.parametrize(("is_answered", "status"), [(False, "ringing"), (True, "active")])
def test_a_room_sees_a_telephone_that_rings_or_is_answered(is_answered, status):
    found = claims(Dialled(number="+1555", room="r"), is_answered=is_answered)
    assert (found["kind"], found["sub"]) == ("sip", "sip_+1555")
    assert found["video"]["room"] == "r"
    assert found["attributes"]["sip.callStatus"] == status
    assert found["attributes"]["sip.callID"] == "SCL_1"


def test_headers_of_the_trunk_are_attributes_too():
    found = claims(Dialled(attributes={"sip.h.x-a": "b"}))
    assert found["attributes"]["sip.h.x-a"] == "b"


@pytest.mark.parametrize(("name", "names"), [("clerk", ["clerk"]), (None, [])])
def test_the_room_is_to_bring_in_the_agent_that_is_asked_for(name, names):
    agents = claims(Dialled(agent_name=name)).get("roomConfig", {}).get("agents", [])
    assert [agent.get("agentName") for agent in agents] == names


def test_every_call_has_a_room_of_its_own():
    assert Dialled().room != Dialled().room
