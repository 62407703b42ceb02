"""What the agent says on the telephone when the model does not speak, in the agent's voice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.errors import AudioFileError
from voiceagent.gateway.phone.announcements import TEXTS
from voiceagent.scenes.hibari import hibari_engine

#: Silence around the words: the first 50 ms of a call may be lost, and nothing ends on a click.
_EDGE_SAMPLES = SAMPLE_RATE_HZ // 20


def render_announcements(folder: Path) -> list[Path]:
    """Speak each of `TEXTS` into ``folder/NAME.ogg``, 24 kHz mono Opus of some 10 KB each.

    Raises:
        SynthesisUnavailable: hibari is not installed.
        AudioFileError: a file cannot be written.
    """
    engine, rng = hibari_engine(), np.random.default_rng(0)
    return [
        _write(folder / f"{name}.ogg", engine.say(text, rng).pcm) for name, text in TEXTS.items()
    ]


def _write(path: Path, pcm: Samples) -> Path:
    sound = np.clip(np.pad(pcm, _EDGE_SAMPLES), -1, 1)
    try:
        soundfile.write(path, sound, SAMPLE_RATE_HZ, format="OGG", subtype="OPUS")
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioFileError(str(path), f"cannot be written ({error})") from error
    return path
