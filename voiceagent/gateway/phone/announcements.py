"""What the agent says on the telephone where the model does not, in sound and in words.

Loaded whole at start, so that none fails in a call. The bundled sounds are made by `voiceagent
livekit announcements`; each can be replaced by any sound file that libsndfile reads.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.wav import read_wav
from voiceagent.errors import AudioFileError, ConfigError
from voiceagent.gateway.phone.config import LiveKitConfig

Name: TypeAlias = Literal[
    "greeting", "at_capacity", "transfer_failed", "cannot_hear_you", "goodbye"
]
#: What the bundled sounds say.
TEXTS: dict[Name, str] = {
    "greeting": "Hello! How can I help you?",
    "at_capacity": "All lines are busy right now. Please call again in a few minutes. Goodbye.",
    "transfer_failed": "Sorry, I could not transfer your call.",
    "cannot_hear_you": "I cannot hear you. Are you there?",
    "goodbye": "Goodbye.",
}
BUNDLED = Path(__file__).parents[2] / "assets" / "phone"
MAX_SECONDS = 60


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """An announcement.

    Attributes:
        pcm: float32 [N], 24 kHz.
        text: its words; empty where they are not known.
    """

    pcm: Samples
    text: str


Announcements: TypeAlias = dict[Name, Recorded]


def load_announcements(config: LiveKitConfig) -> Announcements:
    """Every announcement by its name.

    Raises:
        ConfigError: a file that was named cannot be used.
    """
    return {
        name: _load(name, getattr(config, f"{name}_file"), getattr(config, f"{name}_text"))
        for name in get_args(Name)
    }


def _load(name: Name, file: Path | None, text: str) -> Recorded:
    if file is None:
        if text:
            raise ConfigError(f"{name}_text: the words of which file? Give {name}_file, too")
        return Recorded(read_wav(BUNDLED / f"{name}.ogg").pcm, TEXTS[name])
    try:
        pcm = read_wav(file).pcm
    except AudioFileError as error:
        raise ConfigError(f"{name}_file: {error}") from error
    if pcm.size > MAX_SECONDS * SAMPLE_RATE_HZ:
        raise ConfigError(f"{name}_file: {file}: longer than {MAX_SECONDS} s; cut it")
    return Recorded(pcm, text)
