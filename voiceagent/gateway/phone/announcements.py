"""The sounds that stand in for the model: loaded whole at start, so that none fails in a call.

The bundled ones are made by `voiceagent livekit announcements`; each can be replaced by any sound
file that libsndfile reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias, get_args

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.wav import read_wav
from voiceagent.errors import AudioFileError, ConfigError
from voiceagent.gateway.phone.config import LiveKitConfig

Name: TypeAlias = Literal[
    "greeting", "at_capacity", "transfer_failed", "cannot_hear_you", "goodbye"
]
BUNDLED = Path(__file__).parents[2] / "assets" / "phone"
MAX_SECONDS = 60

Announcements: TypeAlias = dict[Name, Samples]


def load_announcements(config: LiveKitConfig) -> Announcements:
    """Every announcement by its name: float32 [N], 24 kHz.

    Raises:
        ConfigError: a file that was named cannot be used.
    """
    return {name: _load(name, getattr(config, f"{name}_file")) for name in get_args(Name)}


def _load(name: Name, file: Path | None) -> Samples:
    if file is None:
        return read_wav(BUNDLED / f"{name}.ogg").pcm
    try:
        pcm = read_wav(file).pcm
    except AudioFileError as error:
        raise ConfigError(f"{name}_file: {error}") from error
    if pcm.size > MAX_SECONDS * SAMPLE_RATE_HZ:
        raise ConfigError(f"{name}_file: {file}: longer than {MAX_SECONDS} s; cut it")
    return pcm
