"""How an agent gets back into the room of a call whose connection broke, by a way of its own.

Three ways lead back: LiveKit's client mends its connection, which may take longer than a call is
kept; a server that started again has a job for the room, which may go to another worker; and this.
Whichever is first wins. Not here: how long a call is kept (`call`).
"""

from __future__ import annotations

import asyncio
import logging
import uuid

from voiceagent.errors import RoomError
from voiceagent.gateway.phone.call import Call, Setup
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.secrets import agent_token

#: The client mends by itself what is broken for a moment only.
ALONE_S = 2.0
PAUSE_S = 1.0
#: The caller comes back by itself, before or after the agent.
CALLER_WITHIN_S = 10.0

_log = logging.getLogger(__name__)


async def keep_in_room(call: Call, setup: Setup) -> None:
    """Bring the agent of a call back whenever it is lost, until cancelled."""
    while True:
        await call.wait_lost(setup.config.max_call_s)
        await asyncio.sleep(ALONE_S)
        while call.is_lost:
            await _come_back(call, setup)
            await asyncio.sleep(PAUSE_S)


async def _come_back(call: Call, setup: Setup) -> None:
    leg = Leg(call.leg.room_name, setup.clock)
    identity = f"agent-{uuid.uuid4().hex[:12]}"
    token = agent_token(setup.config, leg.room_name, identity, call.leg.me.claim)
    try:
        await leg.join(setup.config.signal_url, token)
        await leg.wait_caller(CALLER_WITHIN_S)
        await leg.publish()
        if call.is_lost and _is_same(leg, call):
            leg.answer()
            call.attach(leg)
    except RoomError as error:
        _log.info("not back yet: %s", error)
    finally:
        if call.leg is not leg:
            await leg.leave()


def _is_same(leg: Leg, call: Call) -> bool:
    assert leg.caller is not None, "it was waited for"
    assert call.leg.caller is not None, "a call has one"
    return leg.caller.key == call.leg.caller.key
