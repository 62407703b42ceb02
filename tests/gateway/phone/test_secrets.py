import logging

import jwt
import pytest

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.secrets import (
    RedactingFilter,
    agent_token,
    quieten_livekit,
    redact,
    worker_token,
)

CONFIG = LiveKitConfig(url="ws://a", api_key="key", api_secret="s" * 40)


def test_a_workers_token_lets_it_be_a_worker_and_no_more():
    claims = jwt.decode(worker_token(CONFIG), "s" * 40, algorithms=["HS256"])
    assert claims["iss"] == "key"
    assert claims["video"]["agent"]
    assert not claims["video"].get("roomJoin")
    assert claims["exp"] - claims["nbf"] <= 3600


def test_an_agent_without_a_job_may_enter_one_room_as_an_agent():
    token = agent_token(CONFIG, "r", "agent-1", {"since": "5"})
    claims = jwt.decode(token, "s" * 40, algorithms=["HS256"])
    assert (claims["sub"], claims["kind"], claims["name"]) == ("agent-1", "agent", "voiceagent")
    assert claims["attributes"] == {"since": "5"}
    assert claims["video"]["room"] == "r"
    assert not claims["video"].get("roomAdmin")


@pytest.mark.parametrize("form", ["{}", "ws://a/rtc?access_token={}&b=1", 'Bearer {}"', "({})"])
def test_a_token_is_taken_out_of_any_text(form):
    token = worker_token(CONFIG)
    told = redact(form.format(token))
    assert not any(part in told for part in token.split("."))
    assert told == form.format("[token]")


def test_text_without_a_token_stays_as_it_is():
    assert redact("eye of the beholder: 401") == "eye of the beholder: 401"


def test_lines_of_the_client_hold_no_token_and_its_native_chatter_is_left_out(caplog):
    quieten_livekit()
    logger = logging.getLogger("livekit")
    logger.error("failed: %s", worker_token(CONFIG))
    logger.error("livekit::rtc_engine - restarting connection")
    assert caplog.messages == ["failed: [token]"]


def test_it_is_quietened_once():
    quieten_livekit()
    quieten_livekit()
    filters = logging.getLogger("livekit").filters
    assert sum(isinstance(item, RedactingFilter) for item in filters) == 1
