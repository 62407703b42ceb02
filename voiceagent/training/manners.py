"""The natural voices of a training set, each with a manner of speaking of its own.

Scenes have one articulation in many timbres, and a model that learns from those alone understands
nobody else as well (README, "Pronounced otherwise"). The encoder's clips have only the rhythm: all
else `augment.augment_mel` changes as they are heard.
"""

from __future__ import annotations

import dataclasses

from voiceagent.scenes.manner import Manner, random_manner
from voiceagent.scenes.pronunciation import random_pronunciation
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.speakers import HibariSpeaker, Speaker

_PLAIN_SHARE = 0.2
# of those who have a manner
_ACCENT_SHARE = 0.6


def with_manner(speaker: Speaker, *, only_rhythm: bool = False) -> Speaker:
    """Give a made-up natural voice its manner, the same one for the same id.

    Args:
        speaker: others, and those who speak plainly, are returned as they are.
        only_rhythm: leave out all else.
    """
    if not isinstance(speaker, HibariSpeaker) or speaker.timbre is None:
        return speaker
    rng = child_rng(0, "manner", speaker.id)
    if rng.random() < _PLAIN_SHARE:
        return speaker
    manner = random_manner(rng)
    if only_rhythm:
        timbre = dataclasses.replace(speaker.timbre, manner=Manner(rhythm=manner.rhythm))
        return dataclasses.replace(speaker, timbre=timbre)
    pronunciation = random_pronunciation(rng) if rng.random() < _ACCENT_SHARE else None
    timbre = dataclasses.replace(speaker.timbre, manner=manner, pronunciation=pronunciation)
    return dataclasses.replace(speaker, timbre=timbre)
