"""Recordings to an engine of their own, with a progress bar: what the parts of bench_talk share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tqdm import tqdm

from voiceagent.audio.framing import FRAME_SAMPLES, Samples
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, play

NUM_SLOTS = 8


def play_all(
    recordings: Sequence[Samples], label: str, gate_below_dbfs: float | None = None
) -> list[Playback]:
    """Play recordings, with a progress bar; a gate of None is the engine's own."""
    config = EngineConfig(num_slots=NUM_SLOTS)
    if gate_below_dbfs is not None:
        config = replace(config, gate_below_dbfs=gate_below_dbfs)
    frames = sum(-(-len(pcm) // FRAME_SAMPLES) for pcm in recordings)
    with tqdm(total=frames, desc=label, unit="frame", leave=False) as bar:
        return play(Engine.load("nano", config), recordings, bar.update)
