"""What the agent's codec learns from: its one voice saying its own sentences, and any others."""

from __future__ import annotations

import numpy as np

from voiceagent.scenes.domain import sample_turn
from voiceagent.scenes.hibari import hibari_engine
from voiceagent.scenes.seeds import child_rng
from voiceagent.training.speech import sample_text, to_int16
from voiceagent.training.voice_targets import analyse
from voiceagent.training.workspace import Arrays

SENTENCES_PER_SHARD = 32
_OWN_SHARE = 0.6
_SPEEDS = (0.9, 1.1)


def voice_shard(seed: int, number: int) -> Arrays:
    """Make one shard: the fields of `VoiceTargets`, sentence after sentence."""
    rng = child_rng(seed, "voice", str(number))
    clips = []
    for _ in range(SENTENCES_PER_SHARD):
        is_own = rng.random() < _OWN_SHARE
        text = sample_turn(rng).agent_text if is_own else sample_text(rng)
        clips.append(analyse(hibari_engine(), text, rng.uniform(*_SPEEDS), rng))
    return {
        "pcm": np.concatenate([to_int16(clip.pcm) for clip in clips]),
        "harmonic": np.concatenate([clip.harmonic.astype(np.float16) for clip in clips]),
        "noise": np.concatenate([clip.noise.astype(np.float16) for clip in clips]),
        "pitch_hz": np.concatenate([clip.pitch_hz.astype(np.float16) for clip in clips]),
        "phones": np.concatenate([clip.phones for clip in clips]),
    }
