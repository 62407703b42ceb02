"""A control for bench_nano: what Whisper base makes of the same recordings, whole and at leisure.

A model that hears 80 ms at a time can hardly be asked for more than a recogniser that has four
times its weights and all of the sound. Only words are compared: nothing is answered.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nano_answers import CONDITIONS, measure_conditions, measure_voices
from nano_play import GATE_DBFS, Player
from nano_sound import whisper_base
from nano_turns import measure_calls
from tqdm import tqdm

from voiceagent.audio.framing import Samples
from voiceagent.serving.playback import Playback, SaidWord
from voiceagent.testing.words import normalise

_COMPARED = ("n", "user_words", "user_wer", "user_wer_95")


@dataclass(frozen=True, slots=True)
class WhisperPlayer(Player):
    """Stands where a model is played to: it hears, and says nothing."""

    def play(
        self,
        groups: Mapping[str, Sequence[Samples]],
        *,
        gate_below_dbfs: float = GATE_DBFS,
        now: datetime.datetime | None = None,
    ) -> dict[str, list[Playback]]:
        """Transcribe groups of recordings of at most 30 s; gate and clock are an engine's."""
        _ = self.folder  # without one, the sound alone was wanted
        recogniser = whisper_base()

        def listen(pcm: Samples) -> Playback:
            words = normalise(recogniser.transcribe(pcm))
            return Playback(np.zeros(0, np.float32), (), tuple(SaidWord(w, 0) for w in words))

        return {
            name: [listen(pcm) for pcm in tqdm(group, f"Whisper: {name}", leave=False)]
            for name, group in groups.items()
        }


def measure_control(player: WhisperPlayer, count: int, seed: int) -> dict[str, Any]:
    """Word errors of the hard calls, of Kokoro's voices, and of these in noise."""
    rows = {
        "calls": measure_calls(player, count),
        "kokoro": measure_voices(player, count, seed, ("kokoro",))["kokoro"],
        **measure_conditions(player, count, seed, CONDITIONS),
    }
    return {name: {key: row[key] for key in _COMPARED if key in row} for name, row in rows.items()}
