"""Where a call can be transferred to: a telephone number or a SIP address."""

from __future__ import annotations

import re

#: For messages.
TARGETS = "tel:+15105550100, +15105550100 or sip:desk@example.com"
MAX_TARGET_CHARS = 256
_NUMBER = re.compile(r"\+?[0-9]{2,20}")
_ADDRESS = re.compile(
    r"sips?:[A-Za-z0-9._~!$&'()*+,=%-]{1,64}@[A-Za-z0-9.-]+(:[0-9]{1,5})?(;[a-z]+=[a-z]+)*"
)


def is_target(text: str) -> bool:
    """Whether it can be transferred to."""
    number = _NUMBER.fullmatch(text.removeprefix("tel:"))
    is_address = _ADDRESS.fullmatch(text) is not None
    return len(text) <= MAX_TARGET_CHARS and (number is not None or is_address)


def as_uri(target: str) -> str:
    """A target as LiveKit takes it: a bare number becomes a "tel:" address.

    Raises:
        ValueError: it is no target.
    """
    if not is_target(target):
        raise ValueError(f"a transfer goes to {TARGETS}, not to {target[:MAX_TARGET_CHARS]!r}")
    return f"tel:{target}" if _NUMBER.fullmatch(target) else target
