"""May this request do that: token, origin, and how often.

Pure decisions about text and time; the HTTP shell (`http`) asks them before it reads a body.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Collection
from urllib.parse import urlsplit

from voiceagent.clock import Clock

MINUTE_US = 60_000_000
#: Client addresses remembered at once; the one seen longest ago is forgotten first.
MAX_ADDRESSES = 4096


def has_token(authorization: str | None, token: str | None) -> bool:
    """Whether an Authorization header carries the token; always, where none is set."""
    if token is None:
        return True
    scheme, _, value = (authorization or "").partition(" ")
    is_equal = hmac.compare_digest(value.strip().encode(), token.encode())
    return scheme.lower() == "bearer" and is_equal


def is_same_origin(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of this Origin may call; a request that has none comes from no page.

    Args:
        origin: the header, as "https://host:port".
        host: the Host header of the same request.
        allowed: further origins.
    """
    if origin is None or origin in allowed:
        return True
    try:
        return urlsplit(origin).netloc.lower() == (host or "").lower() != ""
    except ValueError:
        return False


def is_local_name(host: str | None) -> bool:
    """Whether a Host header names this machine: a foreign name that resolves here is an attack."""
    try:
        name = urlsplit(f"//{host or ''}").hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "::1") or name.startswith("127.")


class RateLimiter:
    """Counts per address and minute. Next: `admit`."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._addresses: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def admit(self, address: str) -> float:
        """Count one request; returns seconds to wait, 0 when it is admitted."""
        now_us = self._clock.now_us()
        begin_us, count = self._addresses.pop(address, (now_us, 0))
        if now_us - begin_us >= MINUTE_US:
            begin_us, count = now_us, 0
        self._addresses[address] = (begin_us, count + 1)
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        return 0.0 if count < self._per_minute else (begin_us + MINUTE_US - now_us) / 1e6
