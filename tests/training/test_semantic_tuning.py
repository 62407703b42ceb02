import copy
import dataclasses

import pytest
import torch
from voiceagent_codec.nano import NanoCodec
from voiceagent_codec.speech_transformer import SpeechTransformer

from voiceagent.testing.recogniser import bundled_folder
from voiceagent.training import semantic_tuning
from voiceagent.training.semantic import FAR, NEAR
from voiceagent.training.semantic_tuning import SemanticTuningTask
from voiceagent.training.whisper_start import read_ctranslate2

HEAD_FIRST, LATER = 0.01, 0.5


@pytest.fixture
def task(toy_codec, toy_speech):
    return SemanticTuningTask(toy_codec, toy_speech, toy_speech["pcm"], 1)


def gradients(task, progress):
    task.module.train()
    loss, parts = task.loss(progress, torch.Generator().manual_seed(3))
    loss.backward()
    return parts, {n: p.grad for n, p in task.module.named_parameters() if p.grad is not None}


@pytest.mark.slow
def test_tuning_begins_with_the_models_encoder_and_keeps_its_codebooks(task, toy_codec):
    before = copy.deepcopy(toy_codec.semantic.state_dict())
    optimiser = torch.optim.AdamW(task.module.parameters(), 1e-2)
    for name, tensor in task.encoder.state_dict().items():
        assert torch.equal(tensor, before[name])
    for _ in range(3):
        gradients(task, LATER)
        optimiser.step()
    assert torch.equal(task.encoder.quantizer.codebooks, before["quantizer.codebooks"])
    assert not torch.equal(task.encoder.project.weight, before["project.weight"])


@pytest.mark.slow
def test_teacher_is_no_part_of_what_is_trained_or_kept(task):
    wanted = copy.deepcopy(task.teacher.state_dict())
    optimiser = torch.optim.AdamW(task.module.parameters(), 1e-2)
    gradients(task, LATER)
    optimiser.step()
    assert not any("teacher" in name for name in task.module.state_dict())
    assert all(torch.equal(tensor, wanted[n]) for n, tensor in task.teacher.state_dict().items())


@pytest.mark.slow
def test_at_first_the_encoder_learns_from_the_old_one_alone(task, monkeypatch):
    _, found = gradients(task, HEAD_FIRST)
    assert found["encoder.project.weight"].abs().sum() > 0
    task.module.zero_grad()
    monkeypatch.setattr(semantic_tuning, "_TEACHER_WEIGHT", 0.0)
    _, found = gradients(task, HEAD_FIRST)
    assert found["head.0.weight"].abs().sum() > 0
    assert not any(g.abs().sum() > 0 for name, g in found.items() if name.startswith("encoder"))
    task.module.zero_grad()
    _, found = gradients(task, LATER)
    assert found["encoder.project.weight"].abs().sum() > 0


@pytest.mark.slow
def test_an_encoder_that_went_astray_comes_back_to_the_old_one(task, generator):
    with torch.no_grad():
        task.encoder.project.weight += 0.3 * torch.randn(task.encoder.project.weight.shape)
    optimiser = torch.optim.AdamW(task.module.parameters(), 1e-2)
    away = []
    for _ in range(12):
        loss, parts = task.loss(HEAD_FIRST, generator)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        away.append(parts["teacher"])
    assert sum(away[-3:]) < 0.8 * sum(away[:3])


def test_only_frames_with_the_user_and_nobody_else_are_those_of_the_old_encoder(task):
    spoken = torch.tensor([[5] * 8 + [0] * 8])
    near = (spoken > 0) * NEAR
    assert task._is_same(spoken, spoken, near)[0].tolist() == [False, True, True, True]
    other = near.clone()
    other[0, 6] = FAR  # in one packet
    assert task._is_same(spoken, spoken, other)[0].tolist() == [False, True, False, True]
    left_out = torch.zeros_like(spoken)
    assert not task._is_same(left_out, spoken, left_out).any(), "also where the user was silent"


@pytest.mark.slow
def test_a_model_that_hears_by_convolutions_gets_whispers_ear_and_keeps_its_codebooks(
    sizes, toy_speech
):
    older = NanoCodec(
        dataclasses.replace(sizes, hearing_layers=0, hearing_width=384, hearing_heads=6)
    )
    task = SemanticTuningTask(older.eval(), toy_speech, toy_speech["pcm"], 1)
    assert isinstance(task.encoder.encoder, SpeechTransformer)
    assert torch.equal(task.encoder.quantizer.codebooks, older.semantic.quantizer.codebooks)
    theirs = read_ctranslate2(bundled_folder() / "model.bin", "encoder/conv1/bias")
    assert torch.equal(task.encoder.encoder.conv1.bias, theirs["encoder/conv1/bias"])
    parts, found = gradients(task, HEAD_FIRST)
    assert parts["teacher"] > 0
    assert found["encoder.encoder.conv1.bias"].abs().sum() > 0, "it follows the old ear at once"
