"""The telephone lines of a LiveKit server, made as the settings say: nothing when they are already.

Three objects of LiveKit, all of the agent's name: the trunk that calls come in by, the rule that
gives each call a room with the agent in it, and the trunk that calls go out by. Noise suppression
stays off: the model has its own idea of speech. LiveKit's SIP bridge takes G.722, the wide band,
before others by itself wherever the other end offers it; here it is switched on should the
bridge's own settings have it off.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

from google.protobuf.duration_pb2 import Duration
from livekit import api

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.telephony import TelephonyConfig

#: Of what an agent without a name makes.
DEFAULT_NAME = "voiceagent"
WIDE_BAND = api.SIPCodec(name="G722", rate=8000)  # RFC 3551 section 4.5.2 calls 16 kHz so
#: What only the server writes.
_OF_SERVER = ("sip_trunk_id", "sip_dispatch_rule_id", "created_at", "updated_at")
_Info = TypeVar("_Info", api.SIPInboundTrunkInfo, api.SIPOutboundTrunkInfo, api.SIPDispatchRuleInfo)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What was done about one object.

    Attributes:
        what: "inbound trunk", "dispatch rule" or "outbound trunk".
        id: that the server gave it.
        done: in one word.
        detail: which numbers, or where to.
    """

    what: str
    id: str
    done: Literal["created", "updated", "unchanged", "removed"]
    detail: str = ""


def name_of(config: LiveKitConfig) -> str:
    """By which the objects of this agent are found again."""
    return config.agent_name or DEFAULT_NAME


def inbound_trunk(config: LiveKitConfig, telephony: TelephonyConfig) -> api.SIPInboundTrunkInfo:
    """The trunk that calls come in by, as it should be."""
    return api.SIPInboundTrunkInfo(
        name=name_of(config),
        numbers=telephony.numbers,
        allowed_addresses=telephony.allowed_addresses,
        allowed_numbers=telephony.allowed_callers,
        auth_username=telephony.username,
        auth_password=telephony.password,
        ringing_timeout=Duration(seconds=telephony.ringing_timeout_s),
        max_call_duration=_seconds(config.max_call_s),
        krisp_enabled=False,
        media=_media(telephony),
    )


def dispatch_rule(
    config: LiveKitConfig, telephony: TelephonyConfig, trunk_id: str
) -> api.SIPDispatchRuleInfo:
    """A room of its own for each call, and the agent in it."""
    agents = [api.RoomAgentDispatch(agent_name=config.agent_name)] if config.agent_name else []
    individual = api.SIPDispatchRuleIndividual(room_prefix=telephony.room_prefix)
    return api.SIPDispatchRuleInfo(
        name=name_of(config),
        rule=api.SIPDispatchRule(dispatch_rule_individual=individual),
        trunk_ids=[trunk_id],
        room_config=api.RoomConfiguration(agents=agents),
        krisp_enabled=False,
        media=_media(telephony),
    )


def outbound_trunk(config: LiveKitConfig, telephony: TelephonyConfig) -> api.SIPOutboundTrunkInfo:
    """The trunk that calls go out by, as it should be."""
    return api.SIPOutboundTrunkInfo(
        name=name_of(config),
        address=telephony.outbound_address,
        transport=f"SIP_TRANSPORT_{telephony.outbound_transport.upper()}",
        numbers=[telephony.outbound_number],
        auth_username=telephony.outbound_username,
        auth_password=telephony.outbound_password,
        media=_media(telephony),
    )


async def set_up(
    lkapi: api.LiveKitAPI, config: LiveKitConfig, telephony: TelephonyConfig
) -> list[Change]:
    """Make or change what differs from the settings.

    Args:
        lkapi: of the server.
        config: of the agent.
        telephony: of its lines; without `numbers` no calls come in, without `outbound` none go out.

    Returns:
        What was done, an entry for each object that should be.

    Raises:
        livekit.api.ServerError: the server refuses; aiohttp.ClientError: there is none.
    """
    changes = []
    name = name_of(config)
    if telephony.numbers:
        trunk = inbound_trunk(config, telephony)
        found = await _named(lkapi.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest()), name)
        trunk_id, done = await _bring(found, trunk, "sip_trunk_id", *_inbound_calls(lkapi))
        changes.append(Change("inbound trunk", trunk_id, done, ", ".join(telephony.numbers)))
        rule = dispatch_rule(config, telephony, trunk_id)
        stored = await _named(lkapi.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest()), name)
        calls = _rule_calls(lkapi)
        rule_id, done = await _bring(stored, rule, "sip_dispatch_rule_id", *calls)
        detail = f"rooms {telephony.room_prefix}*, agent '{config.agent_name}'"
        changes.append(Change("dispatch rule", rule_id, done, detail))
    if telephony.outbound:
        out = outbound_trunk(config, telephony)
        old = await outbound_trunk_of(lkapi, config)
        trunk_id, done = await _bring(old, out, "sip_trunk_id", *_outbound_calls(lkapi))
        changes.append(Change("outbound trunk", trunk_id, done, telephony.outbound_address))
    return changes


async def remove(lkapi: api.LiveKitAPI, config: LiveKitConfig) -> list[Change]:
    """Take away whatever `set_up` made for this agent.

    Raises:
        livekit.api.ServerError: the server refuses; aiohttp.ClientError: there is none.
    """
    changes, name = [], name_of(config)
    rule = await _named(lkapi.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest()), name)
    if rule is not None:
        request = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=rule.sip_dispatch_rule_id)
        await lkapi.sip.delete_dispatch_rule(request)
        changes.append(Change("dispatch rule", rule.sip_dispatch_rule_id, "removed"))
    inbound = await _named(lkapi.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest()), name)
    outbound = await outbound_trunk_of(lkapi, config)
    for what, trunk in (("inbound trunk", inbound), ("outbound trunk", outbound)):
        if trunk is not None:
            request_trunk = api.DeleteSIPTrunkRequest(sip_trunk_id=trunk.sip_trunk_id)
            await lkapi.sip.delete_trunk(request_trunk)
            changes.append(Change(what, trunk.sip_trunk_id, "removed"))
    return changes


async def outbound_trunk_of(
    lkapi: api.LiveKitAPI, config: LiveKitConfig
) -> api.SIPOutboundTrunkInfo | None:
    """The trunk that this agent calls out by; None where none has been set up."""
    listed = lkapi.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
    return await _named(listed, name_of(config))


def _inbound_calls(lkapi: api.LiveKitAPI) -> tuple[Any, Any]:
    async def create(trunk: api.SIPInboundTrunkInfo) -> api.SIPInboundTrunkInfo:
        request = api.CreateSIPInboundTrunkRequest(trunk=trunk)
        return await lkapi.sip.create_inbound_trunk(request)

    return create, lkapi.sip.update_inbound_trunk


def _rule_calls(lkapi: api.LiveKitAPI) -> tuple[Any, Any]:
    async def create(rule: api.SIPDispatchRuleInfo) -> api.SIPDispatchRuleInfo:
        # the request's own fields are deprecated in favour of the whole rule
        request = api.CreateSIPDispatchRuleRequest(dispatch_rule=rule)
        return await lkapi.sip.create_dispatch_rule(request)

    return create, lkapi.sip.update_dispatch_rule


def _outbound_calls(lkapi: api.LiveKitAPI) -> tuple[Any, Any]:
    async def create(trunk: api.SIPOutboundTrunkInfo) -> api.SIPOutboundTrunkInfo:
        request = api.CreateSIPOutboundTrunkRequest(trunk=trunk)
        return await lkapi.sip.create_outbound_trunk(request)

    return create, lkapi.sip.update_outbound_trunk


async def _named(listing: Awaitable[Any], name: str) -> Any:
    return next((item for item in (await listing).items if item.name == name), None)


async def _bring(
    found: _Info | None,
    wanted: _Info,
    id_field: str,
    create: Callable[[_Info], Awaitable[_Info]],
    update: Callable[[str, _Info], Awaitable[_Info]],
) -> tuple[str, Literal["created", "updated", "unchanged"]]:
    if found is None:
        return str(getattr(await create(wanted), id_field)), "created"
    found_id = str(getattr(found, id_field))
    if _plain(found) == wanted:
        return found_id, "unchanged"
    await update(found_id, wanted)
    return found_id, "updated"


def _plain(found: _Info) -> _Info:
    """Without what only the server writes."""
    plain = type(found)()
    plain.CopyFrom(found)
    for field in _OF_SERVER:
        if field in plain.DESCRIPTOR.fields_by_name:
            plain.ClearField(field)
    return plain


def _media(telephony: TelephonyConfig) -> api.SIPMediaConfig:
    encryption = f"SIP_MEDIA_ENCRYPT_{telephony.encryption.upper()}"
    return api.SIPMediaConfig(codecs=[WIDE_BAND], encryption=encryption)


def _seconds(value: float) -> Duration:
    return Duration(seconds=round(value))
