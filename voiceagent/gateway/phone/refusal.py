"""A LiveKit server's API, and what its refusals mean, in one line, without any secret."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
from livekit import api

from voiceagent.errors import LiveKitRefused
from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.secrets import redact

_NO_SIP = "no response from servers"
_NO_REDIS = "sip not connected"


@contextlib.asynccontextmanager
async def server_api(config: LiveKitConfig) -> AsyncIterator[api.LiveKitAPI]:
    """The API of a server; what its client raises in the block is turned into one line.

    Args:
        config: of the server that is asked.

    Raises:
        LiveKitRefused: it was refused, or there is no server.
    """
    try:
        async with api.LiveKitAPI(
            config.url, config.api_key, config.secret(), failover=False
        ) as lkapi:
            yield lkapi
    except api.ServerError as error:
        raise LiveKitRefused(config.url, explain(error)) from error
    except aiohttp.ClientConnectionError as error:
        reason = f"nothing answers there ({redact(str(error))}); is the URL right?"
        raise LiveKitRefused(config.url, reason) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        text = redact(str(error)) or "no answer in time"
        raise LiveKitRefused(
            config.url, f"this is no LiveKit server, or it hangs ({text})"
        ) from error


def explain(error: api.ServerError) -> str:
    """A refusal in words, and what to do about it."""
    if error.status == 401:
        return (
            "it does not know this key and secret: compare LIVEKIT_API_KEY and LIVEKIT_API_SECRET "
            "with `keys` of its config"
        )
    if error.code == api.ServerErrorCode.UNAVAILABLE and _NO_SIP in error.message:
        return (
            "no SIP service answers: livekit-sip is not running, or shares no redis with this "
            "server"
        )
    if _NO_REDIS in error.message:
        return "it has no telephony: give it `redis` in its config, and run livekit-sip beside it"
    return redact(error.message) or f"{error.code} (status {error.status})"
