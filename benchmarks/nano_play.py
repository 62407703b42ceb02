"""How bench_nano plays to a model folder: through the engine, or step by step with a held start.

The engine is what serves; `play_held` is there because an engine cannot yet be told to wait. It
keeps the agent silent (PAD) for a time after the model wanted to begin, then forces the start
signal once, as a turn-taking controller would.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, Samples
from voiceagent.model.checkpoint import open_model
from voiceagent.model.sampling import UNFORCED
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.device import load_codec
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, play

#: A frame of 32 sessions costs a quarter of what it costs with four.
NUM_SLOTS = 32
GATE_DBFS, NEVER_GATED_DBFS = -70.0, -np.inf


class AllSpoken(Exception):
    """All sound of a figure is there, and nothing is to be played; see `Player`."""


@dataclass(frozen=True, slots=True)
class Player:
    """Plays recordings to a model; without one, it only finds out that all has been spoken.

    Attributes:
        model: folder, or None: playing raises `AllSpoken`, so that only the cache is filled.
    """

    model: Path | None

    def play(
        self,
        groups: Mapping[str, Sequence[Samples]],
        *,
        gate_below_dbfs: float = GATE_DBFS,
        now: datetime.datetime | None = None,
    ) -> dict[str, list[Playback]]:
        """Play groups of recordings, all of them as one batch; a moment given stands still."""
        config = EngineConfig(num_slots=NUM_SLOTS, gate_below_dbfs=gate_below_dbfs)
        engine = Engine.load(str(self.folder), config, now=(lambda: now) if now else None)
        recordings = [pcm for group in groups.values() for pcm in group]
        frames = sum(-(-len(pcm) // FRAME_SAMPLES) for pcm in recordings)
        with tqdm(total=frames, desc="/".join(groups)[:40], unit="frame", leave=False) as bar:
            playbacks = iter(play(engine, recordings, bar.update))
        return {name: list(itertools.islice(playbacks, len(groups[name]))) for name in groups}

    @property
    def folder(self) -> Path:
        """The model's; raises `AllSpoken` where there is none."""
        if self.model is None:
            raise AllSpoken
        return self.model


@torch.inference_mode()
def play_held(
    player: Player, recordings: Sequence[Samples], hold_ms: int, *, is_forced: bool
) -> list[str]:
    """What the agent says when its start is held back.

    Args:
        player: has the model.
        recordings: f32[N] each, of one length, with room for the hold and the answer.
        hold_ms: from the step at which the model would begin.
        is_forced: force EPAD after the hold; otherwise only stop holding.

    Returns:
        The words of every recording.
    """
    folder = open_model(player.folder)
    codec = load_codec(folder, torch.device("cpu"))
    decoder, tokenizer = folder.load_decoder(), folder.tokenizer()
    pad, epad = decoder.config.pad_id, decoder.config.epad_id
    rows = len(recordings)
    pcm = torch.from_numpy(np.stack(recordings))
    codec_state, state = codec.init_state(rows), decoder.init_state(rows)
    active = torch.ones(rows, dtype=torch.bool)
    wanted_at = torch.full((rows,), 1 << 30)
    words: list[list[str]] = [[] for _ in range(rows)]
    for step in tqdm(range(pcm.shape[1] // FRAME_SAMPLES), f"hold {hold_ms} ms", leave=False):
        frame = pcm[:, None, step * FRAME_SAMPLES : (step + 1) * FRAME_SAMPLES]
        codes = codec.encode_step(frame.contiguous(), codec_state, active)
        release_at = wanted_at + hold_ms // FRAME_MS
        bias = torch.zeros(rows, decoder.config.text_cardinality)
        bias[:, pad] = torch.where(step < release_at, 1e4, 0.0)
        forced = torch.full((rows,), UNFORCED)
        if is_forced:
            forced[step == release_at] = epad
        output = decoder.step(codes, state, active, logit_bias=bias, forced_text=forced)
        begins = (output.p_epad > output.p_pad) & (wanted_at > step)
        wanted_at = torch.where(begins, step, wanted_at)
        for row, token in enumerate(output.text.tolist()):
            piece = tokenizer.piece(token)
            words[row] += [] if piece is None else [piece.strip()]
    return [" ".join(row) for row in words]
