"""Keys of a telephone: what comes in, and what can be sent through LiveKit, how fast.

livekit-sip names A-D in lower case when they come in, and drops them without a word when they go
out; it sends one key per 541 ms whatever it is given (measured 2026-11-21).
"""

from __future__ import annotations

KEYS = "0123456789*#"
#: RFC 4733 section 3.2: event codes 0 to 15.
ALL_KEYS = KEYS + "ABCD"
#: A little more than livekit-sip takes for one.
KEY_EVERY_S = 0.6
MAX_KEYS = 64


def key_of(digit: str) -> str | None:
    """A key that came in, as one of `ALL_KEYS`; None for anything else."""
    key = digit.upper()
    return key if len(key) == 1 and key in ALL_KEYS else None


def codes_of(keys: str) -> list[tuple[int, str]]:
    """Keys to be sent, each with its code.

    Raises:
        ValueError: none, too many, or keys that cannot be sent.
    """
    wrong = sorted({key for key in keys if key not in KEYS})
    if wrong:
        letters = " (livekit-sip drops A to D)" if any(k.upper() in "ABCD" for k in wrong) else ""
        raise ValueError(f"keys to be sent are {KEYS}, not {''.join(wrong)!r}{letters}")
    if not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"1 to {MAX_KEYS} keys can be sent at once, not {len(keys)}")
    return [(ALL_KEYS.index(key), key) for key in keys]
