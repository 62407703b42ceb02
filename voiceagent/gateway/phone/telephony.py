"""Settings of the telephone lines: which numbers lead to the agent, and whom it may call.

What `voiceagent livekit setup` tells a LiveKit server, and what `voiceagent livekit call` keeps to.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re

from voiceagent.errors import ConfigError

TRANSPORTS = ("auto", "udp", "tcp", "tls")
ENCRYPTIONS = ("disable", "allow", "require")
#: ITU-T E.164: a country code and at most 15 digits in all.
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
#: Of a trunk: a number of the world, or an extension behind a telephone system.
_TRUNK_NUMBER = re.compile(r"\+?[0-9]{2,15}")
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")
_ADDRESS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?")
_ROOM_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TelephonyConfig:
    """Lines in and out.

    Attributes:
        numbers: of ours, as the provider sends them; calls to them reach the agent.
        allowed_addresses: addresses or networks of the provider; others are not answered.
        allowed_callers: numbers that may call; empty for all.
        username: that the provider logs in with for calls to us; empty for none.
        password: that belongs to it.
        room_prefix: of the rooms; LiveKit adds the caller and a random end.
        ringing_timeout_s: until an unanswered call is given up, both ways.
        encryption: of the sound: "disable", "allow" or "require".
        outbound: whether the agent may call people at all.
        outbound_prefixes: how numbers must begin that may be called, as "+49".
        outbound_address: of the provider, host or host:port.
        outbound_transport: "auto", "udp", "tcp" or "tls".
        outbound_number: of ours, that people see.
        outbound_username: that we log in with.
        outbound_password: that belongs to it.
    """

    numbers: tuple[str, ...] = ()
    allowed_addresses: tuple[str, ...] = ()
    allowed_callers: tuple[str, ...] = ()
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    room_prefix: str = "call"
    ringing_timeout_s: int = 30
    encryption: str = "disable"
    outbound: bool = False
    outbound_prefixes: tuple[str, ...] = ()
    outbound_address: str = ""
    outbound_transport: str = "auto"
    outbound_number: str = ""
    outbound_username: str = ""
    outbound_password: str = dataclasses.field(default="", repr=False)

    def __post_init__(self) -> None:
        for field in ("numbers", "allowed_callers"):
            for number in getattr(self, field):
                _check(field, number, _TRUNK_NUMBER, "numbers such as +15105550100")
        for address in self.allowed_addresses:
            _check_network(address)
        _check("room_prefix", self.room_prefix, _ROOM_PREFIX, "letters, digits, '.', '_' or '-'")
        if not 5 <= self.ringing_timeout_s <= 180:
            raise ValueError(f"ringing_timeout_s must be 5 to 180, not {self.ringing_timeout_s}")
        if self.encryption not in ENCRYPTIONS:
            raise ValueError(
                f"encryption must be {', '.join(ENCRYPTIONS)}, not {self.encryption!r}"
            )
        self._check_outbound()
        for user, word in (("username", "password"), ("outbound_username", "outbound_password")):
            if bool(getattr(self, user)) != bool(getattr(self, word)):
                raise ConfigError(f"{user} and {word} go together: give both or neither")

    def _check_outbound(self) -> None:
        for prefix in self.outbound_prefixes:
            _check("outbound_prefixes", prefix, _PREFIX, "beginnings of numbers such as +49")
        if self.outbound_transport not in TRANSPORTS:
            raise ValueError(
                f"outbound_transport must be {', '.join(TRANSPORTS)}, "
                f"not {self.outbound_transport!r}"
            )
        if self.outbound_address:
            _check("outbound_address", self.outbound_address, _ADDRESS, "a host or host:port")
        if self.outbound_number:
            _check("outbound_number", self.outbound_number, _TRUNK_NUMBER, "as +15105550100")
        if not self.outbound:
            return
        needed = ("outbound_prefixes", "outbound_address", "outbound_number")
        if missing := [field for field in needed if not getattr(self, field)]:
            raise ConfigError(f"outbound = true needs {' and '.join(missing)} too")

    @property
    def is_open(self) -> bool:
        """Whether anybody who reaches the SIP port can call the numbers."""
        return bool(self.numbers) and not (self.allowed_addresses or self.username)

    def check_callable(self, number: str) -> None:
        """See that a number may be called.

        Raises:
            ConfigError: calling out is off, or this is no number, or one of another prefix.
        """
        if not self.outbound:
            raise ConfigError(
                "calling out is off; it costs money and rings at people. To allow it: "
                "[telephony] outbound = true, with outbound_prefixes, outbound_address and "
                "outbound_number, then 'voiceagent livekit setup'"
            )
        if not _E164.fullmatch(number):
            raise ConfigError(
                f"{number[:40]!r} is no telephone number: + with country code and digits only, "
                "as +15105550100"
            )
        if not number.startswith(self.outbound_prefixes):
            raise ConfigError(
                f"{number} may not be called: [telephony] outbound_prefixes allows "
                f"{', '.join(self.outbound_prefixes)}"
            )


def _check(field: str, text: str, pattern: re.Pattern[str], wanted: str) -> None:
    if not pattern.fullmatch(text):
        raise ValueError(f"{field} must be {wanted}, not {text[:64]!r}")


def _check_network(address: str) -> None:
    try:
        ipaddress.ip_network(address)
    except ValueError as error:
        raise ValueError(
            f"allowed_addresses must be addresses or networks such as 54.172.60.0/30 ({error})"
        ) from error
