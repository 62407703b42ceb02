"""What a participant says of itself, fit for a record: claims, not proof.

Whoever signs a room's token chooses its attributes, and a SIP header is what its sender wrote: any
text of any length, control characters too.
"""

from __future__ import annotations

from collections.abc import Mapping

MAX_NAME_CHARS = 64
MAX_VALUE_CHARS = 256
MAX_CLAIMS = 32
#: Kept before others where there are too many.
_FIRST = (
    "sip.callID",
    "sip.callIDFull",
    "sip.phoneNumber",
    "sip.trunkPhoneNumber",
    "sip.callStatus",
)


def sip_claims(attributes: Mapping[str, str]) -> dict[str, str]:
    """The `sip.` attributes of a participant, cleaned and cut to size."""
    names = [name for name in attributes if name.startswith("sip.")]
    names.sort(key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    return {
        clean(name, MAX_NAME_CHARS): clean(attributes[name], MAX_VALUE_CHARS)
        for name in names[:MAX_CLAIMS]
    }


def clean(text: str, max_chars: int) -> str:
    """The printable part of a text, cut to size; what cannot be printed becomes a space."""
    return "".join(c if c.isprintable() else " " for c in text[:max_chars]).strip()
