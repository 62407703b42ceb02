import pytest
import torch

from voiceagent.model.checkpoint import NANO_FOLDER, open_model
from voiceagent.training.teacher_forcing import (
    fed_tokens,
    share_right,
    some_later,
    spoil,
    text_loss,
    text_weights,
)
from voiceagent.training.vocabulary import PAD

STEPS = 40


@pytest.fixture(scope="module")
def decoder():
    return open_model(str(NANO_FOLDER)).load_decoder()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    text = torch.full((2, STEPS), PAD)
    text[:, 10:14] = torch.tensor([1, 20, 21, 22])
    user = torch.randint(256, (2, STEPS, 4), generator=generator)
    return {"text": text, "user_text": text.roll(-6, 1), "user": user}


def test_fed_streams_are_what_step_is_fed(decoder, batch):
    fed = fed_tokens(decoder.config, batch, None)
    state = decoder.init_state(2)
    said = torch.randint(256, (STEPS, 2, 8))
    for t in range(STEPS):
        assert torch.equal(decoder._read_inputs(state), fed[:, :, t]) or t == 0
        decoder.step(
            batch["user"][:, t],
            state,
            torch.ones(2, dtype=torch.bool),
            forced_text=batch["text"][:, t],
            forced_agent_codes=said[t],
        )
        state.tokens[:, 1, (t + 1) % state.tokens.shape[2]] = batch["user_text"][:, t]


def test_half_of_the_training_calls_begin_in_their_middle(decoder, batch, generator):
    config = decoder.config
    first = torch.stack([fed_tokens(config, batch, generator)[:, 0, 0] for _ in range(30)])
    assert set(first.flatten().tolist()) == {PAD, config.initial_text}


def test_some_words_of_the_user_come_a_step_late_and_none_is_lost(generator):
    words = torch.full((200, 12), PAD)
    words[:, 2], words[:, 5], words[:, 6], words[:, 11] = 7, 8, 9, 10
    later = some_later(words, generator)
    assert all(row[row != PAD].tolist() == [7, 8, 9, 10] for row in later)
    assert (later[:, 5] == 8).all(), "the next step is taken"
    assert (later[:, 11] == 10).all(), "there is no next step"
    moved = (later[:, 3] == 7).float().mean()
    assert 0.05 < moved < 0.3


def test_a_few_codes_are_wrong_and_a_few_words_forgotten(decoder, batch, generator):
    fed = fed_tokens(decoder.config, batch, None)
    fed[:, 1] = 20
    spoilt = spoil(fed.clone(), decoder.config, generator)
    changed = (spoilt != fed).float().mean((0, 2))
    codes = decoder.config.user.codebooks
    assert 0 < changed[-codes:].mean() < 0.2
    assert changed[0] == 0, "what was said is known"
    assert 0 < changed[1] < 0.2
    assert changed[2:-codes].max() == 0


def test_silence_weighs_less_than_words(decoder):
    weights = text_weights(decoder.config)
    logits = torch.zeros(1, 2, len(weights))
    logits[0, 0, PAD] = 9.0  # sure of silence, and of nothing else
    sure = text_loss(logits, torch.tensor([[PAD, 5]]), weights)
    assert sure > text_loss(logits, torch.tensor([[PAD, PAD]]), weights)
    assert share_right(logits, torch.tensor([[PAD, 5]]), torch.tensor([[True, True]])) == 0.5
    assert share_right(logits, torch.tensor([[PAD, 5]]), torch.zeros(1, 2, dtype=torch.bool)) == 0
