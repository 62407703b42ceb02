"""How bench_nano plays to a model folder: through the engine, or step by step with a held start.

The engine is what serves; `play_held` is there because an engine cannot yet be told to wait. It
keeps the agent silent (PAD) for a time after the model wanted to begin, then forces the start
signal once, as a turn-taking controller would.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, Samples
from voiceagent.model.checkpoint import open_model
from voiceagent.model.sampling import UNFORCED
from voiceagent.serving.config import EngineConfig
from voiceagent.serving.engine import Engine
from voiceagent.serving.playback import Playback, play

NUM_SLOTS = 8
NEVER_GATED_DBFS = -np.inf


def play_model(
    model: str | Path,
    recordings: Sequence[Samples],
    label: str,
    gate_below_dbfs: float = -70.0,
    now: datetime.datetime | None = None,
) -> list[Playback]:
    """Play recordings to a model, with a progress bar; a moment given stands still."""
    config = EngineConfig(num_slots=NUM_SLOTS, gate_below_dbfs=gate_below_dbfs)
    frames = sum(-(-len(pcm) // FRAME_SAMPLES) for pcm in recordings)
    engine = Engine.load(model, config, now=(lambda: now) if now else None)
    with tqdm(total=frames, desc=label, unit="frame", leave=False) as bar:
        return play(engine, recordings, bar.update)


@torch.inference_mode()
def play_held(
    model: str | Path, recordings: Sequence[Samples], hold_ms: int, *, is_forced: bool
) -> list[str]:
    """What the agent says when its start is held back.

    Args:
        model: name or folder.
        recordings: f32[N] each, of one length, with room for the hold and the answer.
        hold_ms: from the step at which the model would begin.
        is_forced: force EPAD after the hold; otherwise only stop holding.

    Returns:
        The words of every recording.
    """
    folder = open_model(model)
    codec, decoder, tokenizer = folder.load_codec(), folder.load_decoder(), folder.tokenizer()
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
