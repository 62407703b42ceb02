"""What a microphone and a line make of clean speech: echo, room, noise, telephone, lost packets.

The whole user channel goes through here once it is composed; what happens to single utterances is
in `acoustics`. The same arguments give the same samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from voiceagent.audio.framing import PACKET_SAMPLES, Samples
from voiceagent.scenes.acoustics import gain, reverberate, room_response, telephone
from voiceagent.scenes.noise import at_level, babble, coloured_noise
from voiceagent.scenes.out_of_domain import BACKGROUND_SPEECH
from voiceagent.scenes.seeds import child_rng
from voiceagent.scenes.speakers import Speaker, random_speaker
from voiceagent.scenes.utterance import SAMPLES_PER_MS

#: Of the white noise that every microphone has.
FLOOR_RMS = (3e-4, 5e-4)
#: How late the agent's own voice comes back.
ECHO_DELAY_MS = (20, 200)
_NUM_BABBLE_VOICES = 4

SpeakerOf = Callable[[str], Speaker]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What lies over the whole user channel.

    Attributes:
        noise_dbfs: level of coloured noise; None is none.
        is_babble: the noise is a crowd of four voices instead.
        is_telephone: the user calls by telephone: 300 to 3400 Hz, mu-law.
        has_floor: the faint white noise every microphone has.
        echo_db: level at which the agent's own voice comes back; None is not at all.
        is_in_room: all that the user says is heard in a small room.
        gain_db: of all but the floor.
        lost_share: of the 20 ms packets, those that never arrive, two or three at a time.
    """

    noise_dbfs: float | None = None
    is_babble: bool = False
    is_telephone: bool = False
    has_floor: bool = True
    echo_db: float | None = None
    is_in_room: bool = False
    gain_db: float = 0.0
    lost_share: float = 0.0


def hear(
    user: Samples, agent: Samples, conditions: Conditions, seed: int, speaker_of: SpeakerOf
) -> Samples:
    """Return what the microphone and the line make of the user's channel.

    Args:
        user: clean speech, f32[N] at 24 kHz.
        agent: f32[N], which may come back as an echo.
        conditions: of the channel.
        seed: of noise, room, delays and losses.
        speaker_of: id -> speaker, for the crowd.
    """
    rng = child_rng(seed, "noise")
    if conditions.is_in_room:
        wet = reverberate(user, room_response(child_rng(seed, "user's room")))
        user = wet[: len(user)]
    if conditions.echo_db is not None:
        user = user + _echo(agent, conditions.echo_db, child_rng(seed, "echo"))
    if conditions.noise_dbfs is not None:
        if conditions.is_babble:
            voices = _crowd(rng, speaker_of)
            user = user + babble(rng, voices, len(user), conditions.noise_dbfs)
        else:
            user = user + coloured_noise(rng, len(user), conditions.noise_dbfs)
    user = gain(user, conditions.gain_db)
    if conditions.has_floor:
        floor = child_rng(seed, "floor")
        level_dbfs = 20.0 * float(np.log10(floor.uniform(*FLOOR_RMS)))
        user = user + at_level(floor.standard_normal(len(user)), level_dbfs)
    if conditions.is_telephone:  # last: nothing is above its band
        user = telephone(np.clip(user, -1.0, 1.0))
    if conditions.lost_share > 0:
        user = user * _arriving(len(user), conditions.lost_share, child_rng(seed, "losses"))
    return np.clip(user, -1.0, 1.0).astype(np.float32)


def random_conditions(rng: np.random.Generator) -> Conditions:
    """Draw the conditions of a call as they come: half of them good, the others hard."""

    def happens(share: float) -> bool:
        return bool(rng.random() < share)

    return Conditions(
        noise_dbfs=float(rng.uniform(-56.0, -24.0)) if happens(0.7) else None,
        is_babble=happens(0.2),
        is_telephone=happens(0.25),
        has_floor=happens(0.8),
        echo_db=float(-rng.uniform(10.0, 40.0)) if happens(0.35) else None,
        is_in_room=happens(0.35),
        gain_db=float(rng.uniform(-12.0, 4.0)),
        lost_share=float(rng.uniform(0.005, 0.05)) if happens(0.1) else 0.0,
    )


def _echo(agent: Samples, level_db: float, rng: np.random.Generator) -> Samples:
    delay_samples = int(rng.integers(*ECHO_DELAY_MS)) * SAMPLES_PER_MS
    wet = reverberate(agent, room_response(rng))
    late = np.zeros(len(agent), np.float32)
    late[delay_samples:] = wet[: len(agent) - delay_samples]
    return gain(late, level_db)


def _arriving(num_samples: int, lost_share: float, rng: np.random.Generator) -> Samples:
    """1 where a packet arrives, 0 where it is lost."""
    num_packets = -(-num_samples // PACKET_SAMPLES)
    arrives = np.ones(num_packets, np.float32)
    for first in np.flatnonzero(rng.random(num_packets) < lost_share / 2.5):
        arrives[first : first + int(rng.integers(2, 4))] = 0.0
    return np.repeat(arrives, PACKET_SAMPLES)[:num_samples]


def _crowd(rng: np.random.Generator, speaker_of: SpeakerOf) -> list[Samples]:
    texts = rng.permutation(len(BACKGROUND_SPEECH))[:_NUM_BABBLE_VOICES]
    return [speaker_of(random_speaker(rng).id).say(BACKGROUND_SPEECH[int(i)]).pcm for i in texts]
