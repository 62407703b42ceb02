"""Calls out: first the agent comes into a new room, then the telephone is rung.

Nobody is rung for an agent that is not there. Whatever goes wrong, the room is deleted, and with it
the ringing ends and the agent leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import Callable
from enum import IntEnum

from google.protobuf.duration_pb2 import Duration
from livekit import api
from livekit.protocol import models

from voiceagent.errors import ConfigError, LiveKitRefused
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.refusal import explain
from voiceagent.gateway.phone.telephony import TelephonyConfig
from voiceagent.gateway.phone.trunks import outbound_trunk_of

AGENT_WITHIN_S = 10.0
LOOK_EVERY_S = 0.1
#: More than the time-out of the server, which answers first.
ANSWER_MARGIN_S = 10.0
#: Metadata of the room: nobody is to be rung for the message that all lines are busy.
OUTBOUND = "voiceagent.outbound"
#: A room with only an agent in it is empty to LiveKit; it must outlive the dialling.
EMPTY_ROOM_S, LEFT_ROOM_S = 60, 5


class Answer(IntEnum):
    """How a call out went; the number is the exit status of the command."""

    ANSWERED = 0
    BUSY = 3
    DECLINED = 4
    NO_SUCH_NUMBER = 5
    NO_ANSWER = 6
    FAILED = 7


#: SIP's codes (RFC 3261 section 21) for what a caller wants to know.
_ANSWERS = {
    **dict.fromkeys((486, 600), Answer.BUSY),
    **dict.fromkeys((403, 603, 607, 608), Answer.DECLINED),
    **dict.fromkeys((404, 410, 484, 485, 604), Answer.NO_SUCH_NUMBER),
    **dict.fromkeys((408, 480, 487), Answer.NO_ANSWER),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """How a call out went.

    Attributes:
        answer: in short.
        text: one line.
        room: where the conversation is, when it was answered.
    """

    answer: Answer
    text: str
    room: str


async def place_call(
    lkapi: api.LiveKitAPI,
    config: LiveKitConfig,
    telephony: TelephonyConfig,
    number: str,
    *,
    metadata: str = "",
    on_progress: Callable[[str], None] = lambda text: None,
) -> Outcome:
    """Call a number and leave the agent with whoever answers.

    Args:
        lkapi: of the server.
        config: of the agent.
        telephony: of its lines; `set_up` has been done with it.
        number: E.164, of an allowed prefix.
        metadata: of the agent's job, as JSON: role, voice, policy.
        on_progress: told in words what happens.

    Returns:
        Whether it was answered, and if not why.

    Raises:
        ConfigError: it may not be called, or there is no trunk to call out by.
        LiveKitRefused: no worker took the call: none runs, or none has a free slot.
        livekit.api.ServerError: the server refuses; aiohttp.ClientError: there is none.
    """
    telephony.check_callable(number)
    trunk = await outbound_trunk_of(lkapi, config)
    if trunk is None:
        raise ConfigError(
            f"LiveKit at {config.url} has no trunk to call out by: run 'voiceagent livekit setup'"
        )
    room = f"{telephony.room_prefix}_{number}_{uuid.uuid4().hex[:12]}"
    outcome = None
    try:
        await _bring_agent(lkapi, config, room, metadata)
        on_progress(f"ringing {number} for up to {telephony.ringing_timeout_s} s")
        outcome = await _ring(lkapi, config, telephony, number, room, trunk.sip_trunk_id)
        return outcome
    finally:
        if outcome is None or outcome.answer is not Answer.ANSWERED:
            with contextlib.suppress(api.ServerError):  # gone already
                await lkapi.room.delete_room(api.DeleteRoomRequest(room=room))


async def _bring_agent(
    lkapi: api.LiveKitAPI, config: LiveKitConfig, room: str, metadata: str
) -> None:
    dispatch = api.RoomAgentDispatch(agent_name=config.agent_name, metadata=metadata)
    await lkapi.room.create_room(
        api.CreateRoomRequest(
            name=room,
            metadata=OUTBOUND,
            empty_timeout=EMPTY_ROOM_S,
            departure_timeout=LEFT_ROOM_S,
            agents=[dispatch] if config.agent_name else [],
        )
    )
    try:
        async with asyncio.timeout(AGENT_WITHIN_S):
            while not await _has_agent(lkapi, room):  # noqa: ASYNC110  # only asking tells
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise LiveKitRefused(
            config.url,
            f"nobody was rung, since no worker took the call: is 'voiceagent livekit' running with "
            f"agent_name '{config.agent_name}', and has it a free slot?",
        ) from error


async def _has_agent(lkapi: api.LiveKitAPI, room: str) -> bool:
    try:
        found = await lkapi.room.list_participants(api.ListParticipantsRequest(room=room))
    except api.ServerError as error:
        if error.code == api.ServerErrorCode.NOT_FOUND:  # the room is not known everywhere yet
            return False
        raise
    kinds = (one.kind for one in found.participants)
    return models.ParticipantInfo.Kind.AGENT in kinds


async def _ring(
    lkapi: api.LiveKitAPI,
    config: LiveKitConfig,
    telephony: TelephonyConfig,
    number: str,
    room: str,
    trunk_id: str,
) -> Outcome:
    began_s = asyncio.get_running_loop().time()
    request = api.CreateSIPParticipantRequest(
        sip_trunk_id=trunk_id,
        sip_call_to=number,
        room_name=room,
        participant_identity=f"sip_{number}",
        wait_until_answered=True,
        ringing_timeout=Duration(seconds=telephony.ringing_timeout_s),
        max_call_duration=Duration(seconds=round(config.max_call_s)),
        krisp_enabled=False,
    )
    try:
        await lkapi.sip.create_sip_participant(
            request, timeout=telephony.ringing_timeout_s + ANSWER_MARGIN_S
        )
    except api.ServerError as error:
        return outcome_of(error, number, room, telephony.ringing_timeout_s)
    after_s = asyncio.get_running_loop().time() - began_s
    return Outcome(Answer.ANSWERED, f"{number} answered after {after_s:.1f} s; room {room}", room)


def outcome_of(error: api.ServerError, number: str, room: str, ringing_s: int) -> Outcome:
    """What a call that was not answered came to."""
    code = error.sip_status_code if isinstance(error, api.SipCallError) else None
    if code is None and error.status == 408:
        code = 408  # the bridge's own time-out
    answer = _ANSWERS.get(code or 0, Answer.FAILED)
    sip = f" (SIP {code})" if code else ""
    text = {
        Answer.BUSY: f"{number} is busy{sip}",
        Answer.DECLINED: f"{number} declined, or the provider does not let us call it{sip}",
        Answer.NO_SUCH_NUMBER: f"{number} is a number that the provider does not know{sip}",
        Answer.NO_ANSWER: f"{number} did not answer in {ringing_s} s, or nothing answers at the "
        f"provider's address{sip}",
    }.get(answer, f"{number} could not be called{sip}: {explain(error)}")
    return Outcome(answer, text, room)
