"""What an agent asks of the LiveKit server besides sound: hang up, transfer.

Each call of the API has a deadline and comes back as an outcome in words: a server that refuses or
is down ends no conversation.
"""

from __future__ import annotations

import asyncio
import logging

import aiohttp
from livekit import api
from livekit.protocol import sip

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.refusal import explain
from voiceagent.gateway.phone.target import as_uri

#: The caller is to be gone within 2 s of the agent's end.
HANG_UP_WITHIN_S = 1.5
RETRY_S = 0.3
TRANSFER_WITHIN_S = 40.0

_TIMEOUT = aiohttp.ClientTimeout(total=TRANSFER_WITHIN_S)
_log = logging.getLogger(__name__)


class RoomControl:
    """Over one API client. Next: `hang_up`, `transfer`; `close` in the end."""

    def __init__(self, config: LiveKitConfig) -> None:
        """Needs a running loop."""
        self._api = api.LiveKitAPI(
            config.url, config.api_key, config.secret(), failover=False, timeout=_TIMEOUT
        )

    async def hang_up(self, room: str, identity: str) -> bool:
        """End a caller's call; whether the server did it, or there was no such caller any more."""
        try:
            async with asyncio.timeout(HANG_UP_WITHIN_S):
                while not await self._remove(room, identity):  # noqa: ASYNC110  # of a server
                    await asyncio.sleep(RETRY_S)
                return True
        except TimeoutError:
            _log.warning("a caller of room %s could not be hung up", room)
            return False

    async def transfer(self, room: str, identity: str, target: str) -> str | None:
        """Hand a telephone call on; None when that was done, else why it was not.

        Args:
            room: in which the call is.
            identity: of the caller there.
            target: see `target.is_target`.
        """
        try:
            request = sip.TransferSIPParticipantRequest(
                room_name=room, participant_identity=identity, transfer_to=as_uri(target)
            )
            async with asyncio.timeout(TRANSFER_WITHIN_S):
                answer = await self._api.sip.transfer_sip_participant(request)
        except api.SipCallError as error:
            return f"{error.sip_status_code or ''} {error.sip_status or error.message}".strip()
        except api.ServerError as error:
            return explain(error)
        except ValueError as error:
            return str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"the server did not answer ({type(error).__name__})"
        return _refusal(answer)

    async def close(self) -> None:
        """Close the client."""
        await self._api.aclose()

    async def _remove(self, room: str, identity: str) -> bool:
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        try:
            await self._api.room.remove_participant(request)
        except api.ServerError as error:
            return error.code == api.ServerErrorCode.NOT_FOUND
        except aiohttp.ClientError:
            return False
        return True


def _refusal(answer: sip.TransferSIPParticipantResponse) -> str | None:
    """Why a transfer that raised no error did not happen; servers before 2026 tell nothing."""
    if answer.status != sip.STS_TRANSFER_FAILED:
        return None
    name = sip.SIPTransferReason.Name(answer.reason)
    return f"{answer.sip_status.code or ''} {answer.sip_status.status or name}".strip()
