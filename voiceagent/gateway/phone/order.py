"""Orders to whoever holds a call, through the LiveKit server: transfer the caller, press keys.

The worker needs no port of its own for that, and the server's key is the permission. The agent
answers by an attribute of its own, named after the order, so that of two orders at once each has
its own answer; who asked removes it. The caller is told by the same code that a key on the
telephone runs, and a refusal is spoken of in the call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets

import aiohttp
from livekit import api
from livekit.protocol import models

from voiceagent.errors import LiveKitRefused, RecordError
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.dtmf import codes_of
from voiceagent.gateway.phone.target import as_uri, is_target
from voiceagent.records.schema import SessionHeader

#: Topics of the orders.
TRANSFER, PRESS = "voiceagent.transfer", "voiceagent.press"
#: What their answers say: all is done, or `REFUSED` and why.
DONE, REFUSED = "done", "refused: "
#: More than LiveKit itself waits for the telephone that shall take the call, and more than all keys
#: of an order take.
OUTCOME_WITHIN_S = 45.0
LOOK_EVERY_S = 0.2
MAX_ORDER_BYTES = 4096
MAX_ID_CHARS = 32


async def order_transfer(
    lkapi: api.LiveKitAPI, config: LiveKitConfig, header: SessionHeader, target: str
) -> str | None:
    """Have a running session's caller handed on.

    Args:
        lkapi: of the server.
        config: of the agent.
        header: of the session.
        target: a number or SIP address.

    Returns:
        None when it was done, else why it was refused; the call goes on then.

    Raises:
        ValueError: no such target.
        RecordError: the session is no telephone call.
        LiveKitRefused: its call is over, or nobody carries the order out.
        livekit.api.ServerError: the server refuses; aiohttp.ClientError: there is none.
    """
    return await _order(lkapi, config, header, TRANSFER, {"to": as_uri(target)})


async def order_keys(
    lkapi: api.LiveKitAPI, config: LiveKitConfig, header: SessionHeader, keys: str
) -> str | None:
    """Have keys pressed for a running session's caller to hear, or a machine at the other end.

    Args:
        lkapi: of the server.
        config: of the agent.
        header: of the session.
        keys: digits, * and #.

    Returns:
        None when all have been sent, else why not.

    Raises:
        ValueError: no such keys.
        RecordError: the session is no telephone call.
        LiveKitRefused: its call is over, or nobody carries the order out.
        livekit.api.ServerError: the server refuses; aiohttp.ClientError: there is none.
    """
    codes_of(keys)
    return await _order(lkapi, config, header, PRESS, {"keys": keys})


async def _order(
    lkapi: api.LiveKitAPI,
    config: LiveKitConfig,
    header: SessionHeader,
    topic: str,
    order: dict[str, str],
) -> str | None:
    room = (header.caller or {}).get("room")
    if room is None or (header.caller or {}).get("kind") != "sip":
        raise RecordError(f"session {header.id[:8]} is no telephone call ({header.transport})")
    agent = await _agent(lkapi, config, room)
    data = json.dumps({**order, "id": secrets.token_hex(8)}).encode()
    await lkapi.room.send_data(
        api.SendDataRequest(
            room=room,
            data=data,
            kind=models.DataPacket.Kind.RELIABLE,
            destination_identities=[agent.identity],
            topic=topic,
        )
    )
    name = answer_name(topic, data)
    try:
        async with asyncio.timeout(OUTCOME_WITHIN_S):
            while True:  # only asking tells
                if said := (await _agent(lkapi, config, room)).attributes.get(name):
                    break
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError as error:
        raise LiveKitRefused(config.url, "the agent did not say what came of it") from error
    # the call may be over; and what was said is known, whatever comes of this
    with contextlib.suppress(api.ServerError, aiohttp.ClientError):
        await lkapi.room.update_participant(
            api.UpdateParticipantRequest(room=room, identity=agent.identity, attributes={name: ""})
        )
    return None if said == DONE else said.removeprefix(REFUSED)


async def _agent(lkapi: api.LiveKitAPI, config: LiveKitConfig, room: str) -> models.ParticipantInfo:
    try:
        found = await lkapi.room.list_participants(api.ListParticipantsRequest(room=room))
        agents = [p for p in found.participants if p.kind == models.ParticipantInfo.Kind.AGENT]
    except api.ServerError as error:
        if error.code != api.ServerErrorCode.NOT_FOUND:
            raise
        agents = []
    if not agents:
        raise LiveKitRefused(config.url, f"there is no agent in room {room}: the call is over")
    return agents[0]


def answer_name(topic: str, data: bytes) -> str:
    """The agent's attribute that says what came of an order: ``TOPIC.ID``, without an id TOPIC."""
    order_id = _field(data, "id") or ""
    if order_id.isascii() and order_id.isalnum() and len(order_id) <= MAX_ID_CHARS:
        return f"{topic}.{order_id}"
    return topic


def read_target(data: bytes) -> str | None:
    """Where an order to transfer goes: ``{"to": TARGET}``; None for anything else."""
    target = _field(data, "to")
    return target if target is not None and is_target(target) else None


def read_keys(data: bytes) -> str | None:
    """Which keys an order wants pressed: ``{"keys": KEYS}``; None for anything else."""
    keys = _field(data, "keys")
    try:
        codes_of(keys or "")
    except ValueError:
        return None
    return keys


def _field(data: bytes, name: str) -> str | None:
    if len(data) > MAX_ORDER_BYTES:
        return None
    try:
        order = json.loads(data)
    except (ValueError, RecursionError):
        return None
    value = order.get(name) if isinstance(order, dict) else None
    return value if isinstance(value, str) else None
