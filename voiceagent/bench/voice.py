"""How the agent's voice is before an overlap, after it, and in the twin without one.

Cuts a recording in pieces as the general measures of Full-Duplex-Bench v1.5 do and measures each;
what changed between them is `summary`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from voiceagent.audio.framing import Samples
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.scorers import prosody
from voiceagent.bench.sound import Sound, read_sound
from voiceagent.bench.speech import RATE_HZ, Segmentation, SpeechFinder
from voiceagent.bench.suite import Sample
from voiceagent.bench.transcript import TimedWord

_PARTS = Segmentation(min_speech_ms=60, min_silence_ms=50)


@dataclass(frozen=True, slots=True)
class AgentSound:
    """What the agent said in a recording, and its words."""

    sound: Sound
    words: Sequence[TimedWord]


def read_clean(folder: RunFolder, sample: Sample) -> AgentSound | None:
    """The recording's twin without the overlap; None where there is none or it has no words.

    Raises:
        AudioFileError: its sound cannot be read.
    """
    path = folder.inside(sample.key, "clean_output.wav")
    recognised = folder.recognised(sample.key, "clean_")
    if recognised is None or not path.is_file():
        return None
    return AgentSound(read_sound(path), recognised.words)


def pieces(
    agent: AgentSound, clean: AgentSound | None, overlap_end_s: float, finder: SpeechFinder
) -> dict[str, Any]:
    """Measure every piece.

    Args:
        agent: in the recording with the overlap.
        clean: in its twin.
        overlap_end_s: where "pre" goes over into "post", at the next word's edge.
        finder: the detector.

    Returns:
        "pre", "post" and, where there is a twin, "clean": see `prosody.Prosody`.
    """
    split_s, pcm = prosody.split_at(agent.words, overlap_end_s), agent.sound.at(RATE_HZ)
    at = round(split_s * RATE_HZ)
    found = {
        "pre": (pcm[:at], [word for word in agent.words if word.last_s <= split_s]),
        "post": (pcm[at:], [word for word in agent.words if word.last_s > split_s]),
    }
    if clean is not None:
        found["clean"] = (clean.sound.at(RATE_HZ), list(clean.words))
    return {
        name: prosody.measure(_speech_only(sound, finder), RATE_HZ, words).to_json()
        for name, (sound, words) in found.items()
    }


def _speech_only(pcm: Samples, finder: SpeechFinder) -> Samples:
    if not prosody.is_praat_installed():
        return pcm[:0]  # only the words are looked at then
    (spans,) = finder.spans([pcm], _PARTS)
    return np.concatenate([pcm[:0], *(pcm[start:end] for start, end in spans)])
