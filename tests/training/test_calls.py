import numpy as np
import pytest
import torch

from voiceagent.scenes.dialogue import DialogueShares, make_dialogue
from voiceagent.scenes.utterance import Word
from voiceagent.training import calls
from voiceagent.training.augment import Augmenter
from voiceagent.training.bank import BankSpeaker
from voiceagent.training.calls import CallMaker, agent_silence, place_answer, place_user_words
from voiceagent.training.hearing import Listener
from voiceagent.training.vocabulary import EPAD, PAD, token_id, tokens


def stream(length=12):
    return np.full(length, PAD, np.int16)


def read(row):
    return [tokens()[token] for token in row]


def test_place_answer_starts_with_epad_and_its_first_word():
    text = stream(8)
    assert place_answer(text, 2, [Word("two", 0, 200), Word("plus", 240, 500)], None) == 2
    assert read(text) == ["<pad>", "<epad>", "two", "<pad>", "<pad>", "plus", "<pad>", "<pad>"]


def test_place_answer_with_a_request_says_it_first_and_speaks_a_frame_later():
    text = stream(6)
    assert place_answer(text, 2, [Word("sorry", 0, 200)], "<ask>") == 3
    assert read(text) == ["<pad>", "<epad>", "<ask>", "sorry", "<pad>", "<pad>"]


def test_place_answer_gives_two_words_of_one_frame_two_frames():
    text = stream(6)
    place_answer(text, 1, [Word("is", 0, 30), Word("it", 40, 70)], None)
    assert read(text)[1:4] == ["is", "it", "<pad>"]


def test_place_user_words_waits_until_they_can_have_been_understood():
    text = stream(10)
    place_user_words(text, 80, (Word("hello", 0, 160), Word("zebra", 170, 200)))
    assert read(text)[4:8] == ["<pad>", "hello", "<unk>", "<pad>"]


def test_words_beyond_the_end_are_left_out():
    text = stream(3)
    place_answer(text, 2, [Word("is", 400, 500)], None)
    place_user_words(text, 400, (Word("is", 0, 100),))
    assert read(text) == ["<pad>", "<epad>", "<pad>"]


def test_agent_silence_is_one_code_per_codebook(toy_codec):
    silence = agent_silence(toy_codec)
    assert silence.shape == (8,)
    assert silence.dtype == np.uint8


@pytest.mark.slow
def test_shard_holds_streams_that_fit_together(toy_codec, monkeypatch):
    monkeypatch.setattr(calls, "CALLS_PER_SHARD", 2)
    monkeypatch.setattr(
        calls, "make_dialogue", lambda seed: make_dialogue(7, shares=DialogueShares(held=0.0))
    )
    listener = Listener(toy_codec, Augmenter(torch.zeros(24_000, dtype=torch.int16), 1))
    maker = CallMaker(listener, BankSpeaker(toy_codec, {}), 1)
    shard = maker.shard(0)
    rows, frames = shard["text"].shape
    assert (rows, frames) == (4, calls.CALL_FRAMES)
    assert shard["user"].shape == (rows, frames, 4)
    assert shard["agent"].shape == (rows, frames, 8)
    # two noises over one call: the same words, other codes
    assert np.array_equal(shard["text"][0], shard["text"][2])
    assert not np.array_equal(shard["user"][0], shard["user"][2])
    speaks = (shard["agent"][0] != maker.silence).any(1)
    starts = np.flatnonzero(shard["text"][0] == EPAD)
    assert len(starts) >= 2
    assert all(speaks[start + 1 : start + 5].any() for start in starts if start < frames - 5)
    said = shard["text"][0] > token_id("<day>")
    assert speaks[said].mean() > 0.8
