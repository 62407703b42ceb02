"""Settings of the engine, of its process and of a session: frozen objects, checked when made."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from voiceagent_codec.fields import check_fields

#: The longest path that a Unix socket may have, less the byte that ends it.
MAX_IPC_PATH_BYTES = 106
#: What a session may be told about its role; a page of text.
MAX_ROLE_CHARS = 4000
#: Turn-taking left to the model; decided and only written down; decided and done.
POLICIES = ("off", "shadow", "on")
_VOICE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DEVICE = re.compile(r"auto|cpu|cuda(:\d+)?")
_ADDRESS = re.compile(r"ipc://(?P<path>/.+)|tcp://127\.0\.0\.1:(\d{1,5}|\*)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """What an engine is started with.

    Attributes:
        num_slots: conversations at once.
        gate_below_dbfs: frames quieter than this reach the model as encoded silence.
        max_queued_frames: complete input frames a session may have waiting; older ones are dropped.
        retry_after_s: what a caller is told when every slot is taken.
        device: "cpu", "cuda", "cuda:N", or "auto": CUDA where there is one.
        allow_slow: start although the steps of full conversations will take too long.
        prompt_cache_mib: memory for what prompts leave behind, so that they are fed only once.
    """

    num_slots: int = 1
    gate_below_dbfs: float = -70.0
    max_queued_frames: int = 25
    retry_after_s: float = 5.0
    device: str = "auto"
    allow_slow: bool = False
    prompt_cache_mib: int = 512

    def __post_init__(self) -> None:
        check_fields(self)
        if not 1 <= self.num_slots <= 1024:
            raise ValueError(f"num_slots must be 1 to 1024, not {self.num_slots}")
        if self.max_queued_frames < 1:
            raise ValueError(f"max_queued_frames must be at least 1, not {self.max_queued_frames}")
        if not self.retry_after_s >= 0:
            raise ValueError(f"retry_after_s must be at least 0, not {self.retry_after_s}")
        if self.prompt_cache_mib < 0:
            raise ValueError(f"prompt_cache_mib must be at least 0, not {self.prompt_cache_mib}")
        if not self.gate_below_dbfs <= 0:
            raise ValueError(f"gate_below_dbfs must be at most 0, not {self.gate_below_dbfs}")
        if not _DEVICE.fullmatch(self.device):
            raise ValueError(f"device must be auto, cpu, cuda or cuda:N, not {self.device!r}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What an engine process is started with.

    Attributes:
        address: "ipc:///absolute/path" in a folder of the user's own, or "tcp://127.0.0.1:PORT".
        model: "nano" or a model folder.
        is_echo: give every session its own sound back instead; no model is loaded.
        adapter: a folder with a LoRA or DoRA adapter for the model.
        voices: the folder of registered voices.
        engine: slots, queues and device.
        is_restart: another process of this config has been measured already.
    """

    address: str
    model: str = "nano"
    is_echo: bool = False
    adapter: Path | None = None
    voices: Path | None = None
    engine: EngineConfig = dataclasses.field(default_factory=EngineConfig)
    is_restart: bool = False

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
class VoicesConfig:
    """Which voices sessions may ask for.

    Attributes:
        dir: folder of the registered voices; it need not exist.
    """

    dir: Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SessionOptions:
    """What one session is told, and how its tokens are chosen: None is the model's own way.

    Attributes:
        role: who the agent shall be and what it shall know, for a model that takes prompts.
        voice: id of a registered voice, for such a model; empty for the model's own.
        text_temperature: of the text stream; 0 takes the likeliest.
        text_top_k: candidates kept, 0 for all.
        code_temperature: of the agent's codes.
        code_top_k: candidates kept, 0 for all.
        seed: makes a sampled session repeatable.
        policy: what the turn-taking policy does, one of `POLICIES`; empty for the engine's default.
    """

    role: str = ""
    voice: str = ""
    text_temperature: float | None = None
    text_top_k: int | None = None
    code_temperature: float | None = None
    code_top_k: int | None = None
    seed: int = 0
    policy: str = ""

    def __post_init__(self) -> None:
        check_fields(self)
        check_policy(self.policy)
        check_role(self.role)
        if self.voice and not is_voice_id(self.voice):
            raise ValueError("voice must be 1 to 64 letters, digits, '_' and '-'")
        for field in ("text_temperature", "code_temperature"):
            value = getattr(self, field)
            if value is not None and not 0 <= value <= 5:
                raise ValueError(f"{field} must be 0 to 5, not {value}")
        for field in ("text_top_k", "code_top_k"):
            value = getattr(self, field)
            if value is not None and not 0 <= value < 2**31:
                raise ValueError(f"{field} must be 0 to 2^31 - 1, not {value}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"seed must be 0 to 2^63 - 1, not {self.seed}")


def check_policy(policy: str) -> None:
    """Raise ValueError for a policy that there is not."""
    if policy and policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, not {policy[:40]!r}")


def is_voice_id(text: str) -> bool:
    """Whether a text can be the id of a registered voice: nothing that means anything in a path."""
    return _VOICE_ID.fullmatch(text) is not None


def voice_id_of(name: str) -> str:
    """The id that a name means: clients of PersonaPlex say NAME.pt where ours say NAME.

    Raises:
        ValueError: it is neither; nothing is ever opened by such a name.
    """
    voice_id = name.removesuffix(".pt")
    if not is_voice_id(voice_id):
        raise ValueError("voice must be 1 to 64 letters, digits, '_' and '-'")
    return voice_id


def check_role(role: str) -> None:
    """Raise ValueError for a role that is too long or no text that can be encoded."""
    if len(role) > MAX_ROLE_CHARS:
        raise ValueError(f"role must be at most {MAX_ROLE_CHARS} characters, not {len(role)}")
    try:
        role.encode()
    except UnicodeEncodeError as error:
        raise ValueError("role must be text, without halves of surrogate pairs") from error
