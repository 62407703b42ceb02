import copy

import pytest
import torch

from voiceagent.training.voice_tuning import VoiceTuningTask


@pytest.fixture
def task(toy_codec, toy_voice):
    return VoiceTuningTask(copy.deepcopy(toy_codec), toy_voice, 1, rows=4)


def test_what_makes_sound_of_codes_learns_and_the_codes_stay(task, toy_codec, generator):
    optimiser = torch.optim.AdamW(task.module.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        loss, parts = task.loss(0.0, generator)
        assert parts["spectral"] > 0
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < sum(losses[:5])
    assert not torch.equal(task.voice.head.weight, toy_codec.voice.head.weight)
    pcm = torch.randn(1, 10 * 1920, generator=generator)
    codes = toy_codec.encode_agent(pcm)
    toy_codec.voice.load_state_dict(task.voice.state_dict())
    toy_codec.agent_encoder.load_state_dict(task.encoder.state_dict())
    assert torch.equal(toy_codec.encode_agent(pcm), codes)


def test_its_checkpoint_holds_what_is_shipped_and_nothing_else(task):
    assert {name.partition(".")[0] for name in task.module.state_dict()} == {"voice", "encoder"}


def test_evaluate_has_every_loss_of_what_is_said(task):
    names = ("harmonic", "slope", "noise", "pitch", "voicing", "spectral")
    assert set(task.evaluate()) == {f"held_{name}" for name in names}
