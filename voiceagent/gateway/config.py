"""Settings of the gateway, one frozen object, and what it refuses to be started with."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from pathlib import Path
from typing import Self
from urllib.parse import unquote

from voiceagent.errors import ConfigError
from voiceagent.serving.config import SessionOptions

MIN_TOKEN_CHARS = 16
_ICE_URL = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:(?P<user>[^:@]+):(?P<password>[^@]+)@)?(?P<rest>[^@/]+)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, as browsers and aiortc take it."""

    urls: str
    username: str | None = None
    credential: str | None = dataclasses.field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read "stun:HOST[:PORT]" or "turn:USER:PASSWORD@HOST[:PORT][?transport=tcp]".

        Raises:
            ValueError: another form, or a TURN server without its user.
        """
        match = _ICE_URL.fullmatch(url)
        is_turn = url.startswith("turn")
        if not match or is_turn != (match["user"] is not None):
            # the url is not shown whole: it may hold a password
            raise ValueError(
                "ice_servers are stun:HOST[:PORT] or turn:USER:PASSWORD@HOST[:PORT], "
                f"not {url.rpartition('@')[2]!r}"
            )
        urls = f"{match['scheme']}:{match['rest']}"
        if not is_turn:
            return cls(urls)
        return cls(urls, unquote(match["user"]), unquote(match["password"]))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What a gateway is started with.

    Attributes:
        host: address of the page and its API.
        port: TCP port of both; 0 for any that is free.
        token: what callers must send as `Authorization: Bearer`; None on loopback only.
        tls_cert: PEM file with the certificate chain.
        tls_key: PEM file with its key.
        allowed_origins: pages of other origins that may call, as "https://host:port".
        ice_servers: STUN and TURN servers (`IceServer.parse`), for this gateway and for the page;
            none by default, nothing outside is asked.
        udp_ports: first and last port of the media, for a firewall; None for any.
        media_addresses: addresses that the media listens on; empty for all of the machine.
        max_offers_per_minute: new sessions of one client address, and questions about past ones.
        connect_timeout_s: from answer to connected, then the session is given up.
        vanish_after_s: without any packet or message, then the client is gone.
        max_session_s: longest conversation.
        role: what the agent is told to be in sessions that ask for nothing else.
        voice: id of the registered voice that it speaks with in such sessions.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    token: str | None = dataclasses.field(default=None, repr=False)
    tls_cert: Path | None = None
    tls_key: Path | None = None
    allowed_origins: tuple[str, ...] = ()
    ice_servers: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    udp_ports: tuple[int, int] | None = None
    media_addresses: tuple[str, ...] = ()
    max_offers_per_minute: int = 60
    connect_timeout_s: float = 15.0
    vanish_after_s: float = 3.5
    max_session_s: float = 7200.0
    role: str = dataclasses.field(default="", repr=False)
    voice: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port must be 0 to 65535, not {self.port}")
        if self.max_offers_per_minute < 1:
            raise ValueError(
                f"max_offers_per_minute must be at least 1, not {self.max_offers_per_minute}"
            )
        for field in ("connect_timeout_s", "vanish_after_s", "max_session_s"):
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} must be above 0, not {getattr(self, field)}")
        SessionOptions(role=self.role, voice=self.voice)  # raises what would be raised later
        self._check_token()
        self._check_tls()
        self._check_media()
        self._check_exposure()

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the page."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def has_tls(self) -> bool:
        """Whether the page is https."""
        return self.tls_cert is not None

    @property
    def url(self) -> str:
        """Where the page is."""
        scheme = "https" if self.has_tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}"

    def _check_token(self) -> None:
        if self.token is None:
            return
        if len(self.token) < MIN_TOKEN_CHARS or not self.token.isascii() or " " in self.token:
            raise ValueError(
                f"token must be at least {MIN_TOKEN_CHARS} ASCII characters without spaces; "
                "`openssl rand -hex 32` makes one"
            )

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError("tls_cert and tls_key go together: give both or neither")
        for field in ("tls_cert", "tls_key"):
            path = getattr(self, field)
            if path is not None and not path.is_file():
                raise ConfigError(f"{field}: no such file: {path}")

    def _check_media(self) -> None:
        for url in self.ice_servers:
            IceServer.parse(url)
        for address in self.media_addresses:
            ipaddress.ip_address(address)
        if self.udp_ports is not None:
            first, last = self.udp_ports
            if not 1024 <= first <= last <= 65535:
                raise ValueError(f"udp_ports must be 1024 to 65535 in order, not {first}-{last}")

    def _check_exposure(self) -> None:
        if self.is_loopback:
            return
        missing = [
            *(["a token (--token, at least 16 characters)"] if self.token is None else []),
            *(["TLS (--tls-cert and --tls-key, or --tls self-signed)"] * (not self.has_tls)),
        ]
        if missing:
            raise ConfigError(
                f"{self.host} can be reached from other machines: that needs "
                f"{' and '.join(missing)}; browsers give no microphone to a plain-http "
                "page anyway. For this machine alone use host 127.0.0.1"
            )
