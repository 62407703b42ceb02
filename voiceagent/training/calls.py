"""From a composed call to token streams: what the decoder sees and should say, every 80 ms.

An answer starts at a frame, with EPAD one step before its first token and a request, where there is
one, before its first word. A word of the agent's stands where it begins, one of the user's two
frames after it has ended. User codes are encoded sound; the agent's come from the bank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from voiceagent_codec.nano import SETTLING_FRAMES, NanoCodec

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, Samples
from voiceagent.scenes.channel import random_conditions
from voiceagent.scenes.dialogue import DialogueShares, make_dialogue
from voiceagent.scenes.render import Composed, compose
from voiceagent.scenes.script import Line, Script
from voiceagent.scenes.seeds import child_rng, draw_seed
from voiceagent.scenes.speakers import AGENT_VOICE, Speaker, speaker
from voiceagent.scenes.utterance import Word
from voiceagent.training.bank import BankSpeaker
from voiceagent.training.hearing import Listener
from voiceagent.training.manners import with_manner
from voiceagent.training.vocabulary import EPAD, PAD, token_id
from voiceagent.training.word_by_word import WORD_BY_WORD_SHARE, WordByWord
from voiceagent.training.workspace import Arrays

CALL_FRAMES = 375
CALLS_PER_SHARD = 12
#: In so many noises each call is heard; a GPU hears for nothing.
TAKES, GPU_TAKES = 2, 8
_USER_WORD_LAG = 2
# a word that has begun less than this before its answer is cut is not said
_LEAST_WORD_MS = 100


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """One call: text and user_text i16 [T], agent u8 [T, 8]."""

    text: NDArray[np.int16]
    user_text: NDArray[np.int16]
    agent: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class SpokenCall:
    """One call with its sound, `CALL_FRAMES` long: user and agent f32 [N] at 24 kHz, clean."""

    streams: Streams
    user: Samples
    agent: Samples


class CallMaker:
    """Makes calls, one by one or in shards; one per process."""

    def __init__(
        self,
        listener: Listener,
        bank: BankSpeaker,
        seed: int,
        *,
        word_by_word: float = WORD_BY_WORD_SHARE,
    ) -> None:
        """Begin; `bank` has a codec of its own, on the CPU; such a share says word by word."""
        self.listener, self.bank, self.seed = listener, bank, seed
        self.word_by_word = word_by_word
        self.silence = agent_silence(bank.codec)
        self.device = listener.codec.user_silence.device
        self.takes = TAKES if self.device.type == "cpu" else GPU_TAKES

    def shard(self, number: int) -> Arrays:
        """Make one shard: ``text`` and ``user_text`` i16 [N, T], ``user`` and ``agent`` u8."""
        rng = child_rng(self.seed, "calls", str(number))
        calls = [self.call(draw_seed(rng)) for _ in range(CALLS_PER_SHARD)]
        rows = [call.streams for call in calls]
        user, agent = joined_sound(calls)
        generator = torch.Generator(self.device).manual_seed(draw_seed(rng))
        takes = [[random_conditions(rng) for _ in rows] for _ in range(self.takes)]
        codes = [self.listener.codes(user, agent, take, generator) for take in takes]
        rows *= self.takes
        return {
            "text": np.stack([row.text for row in rows]),
            "user_text": np.stack([row.user_text for row in rows]),
            "agent": np.stack([row.agent for row in rows]),
            "user": torch.cat(codes).numpy(),
        }

    def call(self, seed: int) -> SpokenCall:
        """Make one call; with a whole bank the same seed gives the same one."""
        script = make_dialogue(seed)
        composed = compose(script, self._speaker_of)
        return SpokenCall(self.streams(script, composed), _cut(composed.user), _cut(composed.agent))

    def streams(self, script: Script, composed: Composed) -> Streams:
        """Token streams of a call, cut or filled to `CALL_FRAMES`."""
        text = np.full(CALL_FRAMES, PAD, np.int16)
        user_text = np.full(CALL_FRAMES, PAD, np.int16)
        agent = np.tile(self.silence, (CALL_FRAMES, 1))
        for line, utterance, span in zip(
            script.lines, composed.spoken, composed.spans, strict=True
        ):
            if line.channel == "agent":
                end_ms = span[1] - span[0] - _LEAST_WORD_MS
                words = [word for word in utterance.words if word.start_ms < end_ms]
                start = place_answer(text, span[0] // FRAME_MS, words, line.request)
                self._place_codes(agent, line, start, span)
            elif line.addressed or line.kind == "backchannel":
                place_user_words(user_text, span[0], utterance.words)
        return Streams(text, user_text, agent)

    def _place_codes(
        self, agent: NDArray[np.uint8], line: Line, start: int, span: tuple[int, int]
    ) -> None:
        rendering = self.bank.rendering(line.text, line.take)
        first = 0
        if line.part is not None:
            first = rendering.utterance.words[line.part[0]].start_ms // FRAME_MS
        # where the rendering is heard to its end, its frame of silence belongs to it
        frames = -(-(span[1] - span[0]) // FRAME_MS) + 1
        codes = rendering.codes[first : first + frames]
        is_cut = first + frames < len(rendering.codes)
        codes = codes[:-1] if is_cut else codes
        into = agent[start : start + len(codes)]
        into[:] = codes[: len(into)]

    def _speaker_of(self, speaker_id: str) -> Speaker:
        if speaker_id == AGENT_VOICE:
            return self.bank
        is_by_word = child_rng(self.seed, "word by word", speaker_id).random() < self.word_by_word
        somebody = with_manner(speaker(speaker_id))
        return WordByWord(somebody) if is_by_word else somebody


def joined_sound(calls: Sequence[SpokenCall]) -> tuple[Tensor, Tensor]:
    """Sound of the users and of the agent, f32 [B, N] each."""
    user, agent = (np.stack([getattr(call, side) for call in calls]) for side in ("user", "agent"))
    return torch.from_numpy(user), torch.from_numpy(agent)


def _cut(pcm: Samples) -> Samples:
    """A channel cut or filled to `CALL_FRAMES`."""
    samples = CALL_FRAMES * FRAME_SAMPLES
    return np.pad(pcm[:samples], (0, max(0, samples - len(pcm))))


def place_answer(
    text: NDArray[np.int16], start: int, words: list[Word], request: str | None
) -> int:
    """Write an answer into a text stream.

    Args:
        text: i16 [T], in place.
        start: frame in which the answer begins.
        words: with their starts from there on.
        request: token before the first word, or None.

    Returns:
        The frame in which its sound begins: one later with a request.
    """
    _put(text, start - 1, EPAD)
    if request is not None:
        _put(text, start, token_id(request))
        start += 1
    frame = start - 1
    for word in words:
        frame = max(start + word.start_ms // FRAME_MS, frame + 1)
        _put(text, frame, token_id(word.text))
    return start


def place_user_words(user_text: NDArray[np.int16], start_ms: int, words: tuple[Word, ...]) -> None:
    """Write what the user says into a stream, each word once it can have been understood."""
    for word in words:
        frame = (start_ms + word.end_ms) // FRAME_MS + _USER_WORD_LAG
        while frame < len(user_text) and user_text[frame] != PAD:
            frame += 1
        _put(user_text, frame, token_id(word.text))


def agent_silence(codec: NanoCodec) -> NDArray[np.uint8]:
    """Return the agent codes of a settled silence, u8 [8]."""
    pcm = torch.zeros(1, SETTLING_FRAMES * FRAME_SAMPLES)
    return np.asarray(codec.encode_agent(pcm)[0, -1].to(torch.uint8).numpy())


def held_out_shares() -> DialogueShares:
    """Return the shares of calls to be judged: nobody holds an answer back."""
    return DialogueShares(held=0.0)


def _put(stream: NDArray[np.int16], frame: int, token: int) -> None:
    if 0 <= frame < len(stream):
        stream[frame] = token
