"""Tokens: how the worker gets its own, and how none of them gets into a log.

livekit's client puts the whole address of a room, token and all, into errors and log lines.
"""

from __future__ import annotations

import datetime
import logging
import re
from collections.abc import Mapping

from livekit import api

from voiceagent.gateway.phone.config import LiveKitConfig

#: A worker that reconnects makes a new one; the server looks at it only then.
TOKEN_LIFE = datetime.timedelta(minutes=10)
#: JSON Web Tokens (RFC 7519) begin with `{"`, and so in base64 with eyJ.
_TOKEN = re.compile(r"eyJ[\w-]{8,}(\.[\w-]+){0,2}|(?<=access_token=)[^&\s\"']+")


def worker_token(config: LiveKitConfig) -> str:
    """For the connection of an agent worker."""
    grants = api.VideoGrants(agent=True)
    token = api.AccessToken(config.api_key, config.secret()).with_grants(grants)
    return token.with_ttl(TOKEN_LIFE).to_jwt()


def agent_token(
    config: LiveKitConfig, room: str, identity: str, attributes: Mapping[str, str]
) -> str:
    """For an agent that goes into a room without a job."""
    grants = api.VideoGrants(
        agent=True,
        room_join=True,
        room=room,
        can_publish=True,
        can_subscribe=True,
        can_publish_data=True,
        can_update_own_metadata=True,
    )
    token = api.AccessToken(config.api_key, config.secret()).with_grants(grants)
    token = token.with_identity(identity).with_name(config.agent_name or "agent")
    token = token.with_kind("agent").with_attributes(dict(attributes))
    return token.with_ttl(TOKEN_LIFE).to_jwt()


def redact(text: str) -> str:
    """A text without the tokens in it."""
    return _TOKEN.sub("[token]", text)


class RedactingFilter(logging.Filter):
    """Takes tokens out of every line of the logger that it is put on.

    Lines of its native part are shown only where a log is verbose: it calls an error what happens
    at the end of every call, and whatever goes wrong comes back as an exception or event too.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        record.msg, record.args = redact(record.getMessage()), None
        is_verbose = logging.getLogger().isEnabledFor(logging.INFO)
        return is_verbose or not record.msg.startswith("livekit")


def quieten_livekit() -> None:
    """From now on the client's log holds no token, and of its chatter only what matters."""
    logger = logging.getLogger("livekit")
    if not any(isinstance(item, RedactingFilter) for item in logger.filters):
        logger.addFilter(RedactingFilter())
    logger.setLevel(logging.WARNING)
