"""What the semantic encoder learns from: sentences of many speakers, with their phones.

A shard is a row of sentences by speakers made up for it, with pauses between: int16 sound and one
phone per 20 ms. Clean and near; rooms, noise and lines come while training (`augment`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceagent.audio.framing import PACKET_MS, PACKET_SAMPLES, Samples
from voiceagent.scenes.domain import NAMES, sample_turn
from voiceagent.scenes.out_of_domain import sample_out_of_domain
from voiceagent.scenes.phones import PHONE_IDS
from voiceagent.scenes.seeds import child_rng, draw_seed, pick
from voiceagent.scenes.speakers import random_speaker
from voiceagent.scenes.utterance import Utterance
from voiceagent.serving.facts import number_words
from voiceagent.training.lexicon import lexicon
from voiceagent.training.manners import with_manner
from voiceagent.training.word_by_word import WORD_BY_WORD_SHARE, WordByWord
from voiceagent.training.workspace import Arrays

SENTENCES_PER_SHARD = 48
_SENTENCES_PER_SPEAKER = 3
_SHORT = ("yes", "no", "okay", "help", "thanks", "hello", "goodbye", "uh huh", "yeah", "mm", "hi")
_NUMBERS = tuple(number_words(number) for number in range(21))
_PEAK = 0.5
# between sentences, in packets of 20 ms; the encoder reaches back a second
_PAUSES, _SILENCES, _SILENCE_SHARE = (0, 16), (16, 90), 0.35


def speech_shard(seed: int, number: int) -> Arrays:
    """Make one shard: ``pcm`` i16 [N], ``phones`` u8 [N / 480]."""
    rng = child_rng(seed, "speech", str(number))
    pcm: list[Samples] = []
    phones: list[NDArray[np.uint8]] = []
    speaker = with_manner(random_speaker(rng), only_rhythm=True)
    for index in range(SENTENCES_PER_SHARD):
        if index % _SENTENCES_PER_SPEAKER == 0:
            speaker = with_manner(random_speaker(rng), only_rhythm=True)
        said_by = WordByWord(speaker) if rng.random() < WORD_BY_WORD_SHARE else speaker
        utterance = said_by.say(sample_text(rng), draw_seed(rng))
        packets = -(-len(utterance.pcm) // PACKET_SAMPLES) + pause_packets(rng)
        padded = np.pad(utterance.pcm, (0, packets * PACKET_SAMPLES - len(utterance.pcm)))
        pcm.append(padded / max(float(np.abs(padded).max()), 1e-4) * _PEAK)
        phones.append(phone_track(utterance, packets))
    return {"pcm": to_int16(np.concatenate(pcm)), "phones": np.concatenate(phones)}


def pause_packets(rng: np.random.Generator) -> int:
    """Draw a pause between two sentences, often one that is longer than the encoder hears back."""
    return int(rng.integers(*(_SILENCES if rng.random() < _SILENCE_SHARE else _PAUSES)))


def sample_text(rng: np.random.Generator) -> str:
    """Draw something to say: of the domain, outside it, or words that cover all sounds."""
    kind = rng.random()
    if kind < 0.1:
        return pick(rng, (*_SHORT, *NAMES, *_NUMBERS, *_NUMBERS))
    if kind < 0.45:
        return sample_turn(rng).user_text
    if kind < 0.7:
        return sample_out_of_domain(rng)
    return " ".join(pick(rng, lexicon()) for _ in range(int(rng.integers(2, 8))))


def phone_track(utterance: Utterance, packets: int) -> NDArray[np.uint8]:
    """Return the phone of every 20 ms, u8 [packets]; pauses after the end."""
    track = np.zeros(packets, np.uint8)
    sounds = utterance.phones
    ends_ms = [*(sound.start_ms for sound in sounds[1:]), utterance.duration_ms]
    for sound, end_ms in zip(sounds, ends_ms, strict=True):
        span = slice(round(sound.start_ms / PACKET_MS), round(end_ms / PACKET_MS))
        track[span] = PHONE_IDS[sound.name]
    return track


def to_int16(pcm: Samples) -> NDArray[np.int16]:
    """Return samples in -1 .. 1 as 16-bit integers."""
    return np.asarray(np.rint(np.clip(pcm, -1.0, 1.0) * 32767), np.int16)
