"""Settings of the worker that takes LiveKit rooms and telephone calls."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from urllib.parse import urlsplit

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.dtmf import KEYS
from voiceagent.gateway.phone.target import TARGETS, is_target

SCHEMES = ("ws", "wss", "http", "https")
_AGENT_NAME = re.compile(r"[A-Za-z0-9._-]{0,64}")
_ABOVE_0 = ("caller_within_s", "hold_s", "unheard_after_s", "max_call_s", "drain_within_s")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LiveKitConfig:
    """What `voiceagent livekit` is started with.

    Attributes:
        url: of the server, as "ws://127.0.0.1:7880"; LIVEKIT_URL says it too.
        api_key: of the server's `keys`; LIVEKIT_API_KEY.
        api_secret: that belongs to it; LIVEKIT_API_SECRET.
        api_secret_file: a file that holds the secret, in place of `api_secret`.
        agent_name: by which rooms and dispatch rules ask for this agent.
        target_load: the server's `agents.target_load`; a worker is asked below it only.
        answer_after_ms: that a phone rings before it is answered.
        greeting: whether the agent greets before anybody has spoken.
        greeting_file: sound file in place of the bundled announcement; likewise the next four.
        at_capacity_file: for callers for whom there is no slot.
        transfer_failed_file: after a transfer that was refused.
        cannot_hear_you_file: to a caller of whom nothing is heard.
        goodbye_file: before the agent hangs up.
        greeting_text: the words of that file, for transcripts; likewise the next four.
        at_capacity_text: see `at_capacity_file`.
        transfer_failed_text: see `transfer_failed_file`.
        cannot_hear_you_text: see `cannot_hear_you_file`.
        goodbye_text: see `goodbye_file`.
        capacity_calls: callers at once, beyond the slots, who are told so; others ring.
        caller_within_s: for somebody to come into the room.
        hold_s: a conversation without its room is kept for so long, for the caller to come back;
            4 to 9 s were measured after a LiveKit server was down for one.
        unheard_after_s: of nothing but digital silence from the caller, while the agent is silent
            too, until the caller is told; after as long again the agent hangs up. LiveKit hangs up
            a telephone that sends nothing after 15 s by itself.
        max_call_s: longest call.
        drain_within_s: after the signal to stop, until calls that still go on are ended.
        comfort_noise_dbfs: level of the noise under the agent's sound, so that no line seems dead;
            -100 or less for none.
        transfer_key: on which the caller is transferred; empty for none.
        transfer_to: where, as "tel:+15105550100" or "sip:desk@example.com".
        http_host: address of /healthz and /metrics.
        http_port: its port; 0 for neither.
    """

    url: str = ""
    api_key: str = ""
    api_secret: str = dataclasses.field(default="", repr=False)
    api_secret_file: Path | None = None
    agent_name: str = "voiceagent"
    target_load: float = 0.7
    answer_after_ms: int = 0
    greeting: bool = True
    greeting_file: Path | None = None
    at_capacity_file: Path | None = None
    transfer_failed_file: Path | None = None
    cannot_hear_you_file: Path | None = None
    goodbye_file: Path | None = None
    greeting_text: str = ""
    at_capacity_text: str = ""
    transfer_failed_text: str = ""
    cannot_hear_you_text: str = ""
    goodbye_text: str = ""
    capacity_calls: int = 8
    caller_within_s: float = 30.0
    hold_s: float = 15.0
    unheard_after_s: float = 10.0
    max_call_s: float = 3600.0
    drain_within_s: float = 3600.0
    comfort_noise_dbfs: float = -66.0
    transfer_key: str = ""
    transfer_to: str = ""
    http_host: str = "127.0.0.1"
    http_port: int = 0

    def __post_init__(self) -> None:
        if self.url and urlsplit(self.url).scheme not in SCHEMES:
            raise ValueError(f"url must begin with ws:// or wss://, not {self.url!r}")
        if not _AGENT_NAME.fullmatch(self.agent_name):
            raise ValueError(
                "agent_name must be up to 64 letters, digits, '.', '_' or '-', "
                f"not {self.agent_name!r}"
            )
        if not 0 < self.target_load <= 1:
            raise ValueError(f"target_load must be above 0 and at most 1, not {self.target_load}")
        for field in _ABOVE_0:
            if not getattr(self, field) > 0:
                raise ValueError(f"{field} must be above 0, not {getattr(self, field)}")
        for field in ("answer_after_ms", "capacity_calls"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field} must be at least 0, not {getattr(self, field)}")
        if not self.comfort_noise_dbfs <= -30:
            raise ValueError(
                f"comfort_noise_dbfs must be at most -30, not {self.comfort_noise_dbfs}"
            )
        if not 0 <= self.http_port <= 65535:
            raise ValueError(f"http_port must be 0 to 65535, not {self.http_port}")
        self._check_transfer()

    def _check_transfer(self) -> None:
        if self.transfer_key and (len(self.transfer_key) != 1 or self.transfer_key not in KEYS):
            raise ValueError(f"transfer_key must be one of {KEYS}, not {self.transfer_key!r}")
        if self.transfer_to and not is_target(self.transfer_to):
            raise ValueError(f"transfer_to must be {TARGETS}, not {self.transfer_to!r}")
        if bool(self.transfer_key) != bool(self.transfer_to):
            raise ConfigError("transfer_key and transfer_to go together: give both or neither")

    @property
    def signal_url(self) -> str:
        """The server's address as WebSockets need it: "ws" for "http"."""
        scheme, separator, rest = self.url.partition("://")
        return {"http": "ws", "https": "wss"}.get(scheme, scheme) + separator + rest

    @property
    def http_url(self) -> str:
        """The server's address as its API needs it: "http" for "ws"."""
        scheme, separator, rest = self.url.rstrip("/").partition("://")
        return {"ws": "http", "wss": "https"}.get(scheme, scheme) + separator + rest

    def secret(self) -> str:
        """The secret, from wherever it is.

        Raises:
            ConfigError: the file cannot be read.
        """
        if self.api_secret_file is None:
            return self.api_secret
        try:
            return self.api_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not a text"
            raise ConfigError(f"api_secret_file: {self.api_secret_file}: {reason}") from error

    def check_complete(self) -> None:
        """See that a server can be joined with this.

        Raises:
            ConfigError: something is missing; says how to give it.
        """
        given = {
            "url": (self.url, "LIVEKIT_URL"),
            "api_key": (self.api_key, "LIVEKIT_API_KEY"),
            "api_secret": (self.secret(), "LIVEKIT_API_SECRET"),
        }
        missing = [(field, name) for field, (value, name) in given.items() if not value]
        if missing:
            fields = " and ".join(f"{field} ({name})" for field, name in missing)
            raise ConfigError(f"[livekit] needs {fields}: put it into the file or the environment")
