"""Settings of the engine, of its process and of a session: frozen objects, checked when made."""

from __future__ import annotations

import dataclasses
import re

from voiceagent_codec.fields import check_fields

#: The longest path that a Unix socket may have, less the byte that ends it.
MAX_IPC_PATH_BYTES = 106
_ADDRESS = re.compile(r"ipc://(?P<path>/.+)|tcp://127\.0\.0\.1:(\d{1,5}|\*)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What an engine is started with.

    Attributes:
        num_slots: conversations at once.
        gate_below_dbfs: frames quieter than this reach the model as encoded silence.
        max_queued_frames: complete input frames a session may have waiting; older ones are dropped.
        retry_after_s: what a caller is told when every slot is taken.
    """

    num_slots: int = 1
    gate_below_dbfs: float = -70.0
    max_queued_frames: int = 25
    retry_after_s: float = 5.0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.num_slots <= 1024:
            raise ValueError(f"num_slots must be 1 to 1024, not {self.num_slots}")
        if self.max_queued_frames < 1:
            raise ValueError(f"max_queued_frames must be at least 1, not {self.max_queued_frames}")
        if not self.retry_after_s >= 0:
            raise ValueError(f"retry_after_s must be at least 0, not {self.retry_after_s}")
        if not self.gate_below_dbfs <= 0:
            raise ValueError(f"gate_below_dbfs must be at most 0, not {self.gate_below_dbfs}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What an engine process is started with.

    Attributes:
        address: "ipc:///absolute/path" in a folder of the user's own, or "tcp://127.0.0.1:PORT".
        model: "nano" or a model folder.
        is_echo: give every session its own sound back instead; no model is loaded.
        engine: slots and queues.
    """

    address: str
    model: str = "nano"
    is_echo: bool = False
    engine: EngineConfig = dataclasses.field(default_factory=EngineConfig)

    def __post_init__(self) -> None:
        match = _ADDRESS.fullmatch(self.address)
        if not match:
            raise ValueError(
                f"address must be ipc:///path or tcp://127.0.0.1:port, not {self.address!r}"
            )
        if len((match["path"] or "").encode()) > MAX_IPC_PATH_BYTES:
            raise ValueError(f"address must have a path of at most {MAX_IPC_PATH_BYTES} bytes")

    @property
    def name(self) -> str:
        """What status calls the model."""
        return "echo" if self.is_echo else self.model


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """How one session's tokens are chosen; temperature 0 takes the likeliest.

    Attributes:
        text_temperature: of the text stream.
        text_top_k: candidates kept, 0 for all.
        code_temperature: of the agent's codes.
        code_top_k: candidates kept, 0 for all.
        seed: makes a sampled session repeatable.
    """

    text_temperature: float = 0.0
    text_top_k: int = 25
    code_temperature: float = 0.0
    code_top_k: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for field in ("text_temperature", "code_temperature"):
            if not 0 <= getattr(self, field) <= 5:
                raise ValueError(f"{field} must be 0 to 5, not {getattr(self, field)}")
        for field in ("text_top_k", "code_top_k"):
            if not 0 <= getattr(self, field) < 2**31:
                raise ValueError(f"{field} must be 0 to 2^31 - 1, not {getattr(self, field)}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be 0 to 2^63 - 1, not {self.seed}")

    @property
    def is_greedy(self) -> bool:
        """Whether nothing is drawn at random."""
        return self.text_temperature == 0 and self.code_temperature == 0
