import numpy as np
import pytest
import torch
from voiceagent_codec.quantizer import ResidualQuantizer

from voiceagent.model.checkpoint import open_model
from voiceagent.scenes.channel import random_conditions
from voiceagent.training import listening
from voiceagent.training.bank import BankSpeaker
from voiceagent.training.listening import ListeningTask, hard_conditions, soft_codes
from voiceagent.training.teacher_forcing import fed_tokens
from voiceagent.training.vocabulary import EPAD


@pytest.fixture
def quantizer():
    torch.manual_seed(0)
    return ResidualQuantizer(3, 16, 4)


def test_soft_codes_are_those_of_the_quantizer(quantizer, generator):
    latents = torch.randn(5, 7, 4, generator=generator)
    codes, soft = soft_codes(latents, quantizer.codebooks, torch.randn(3, 18, 6))
    assert torch.equal(codes, quantizer.encode(latents))
    assert soft.shape == (5, 7, 6)


def test_a_latent_is_drawn_to_the_code_whose_embedding_is_wanted(quantizer):
    """Of two centroids beside each other, the one that the gradient asks for comes nearer."""
    centroids = quantizer.codebooks[:1].zero_()
    centroids[0, :, 0] = torch.arange(16.0)
    table = torch.zeros(1, 16, 1)
    table[0, 4] = 1.0
    latent = torch.tensor([[3.4, 0.0, 0.0, 0.0]], requires_grad=True)
    codes, soft = soft_codes(latent, centroids, table)
    assert codes.item() == 3
    soft.sum().backward()
    assert latent.grad[0, 0] > 0


def test_more_calls_are_loud_than_come_by_themselves():
    def loudest(draw):
        rng = np.random.default_rng(0)
        levels = [draw(rng).noise_dbfs for _ in range(400)]
        return np.mean([level is not None and level > -36 for level in levels])

    assert loudest(hard_conditions) > 1.2 * loudest(random_conditions)


def test_calls_are_telephoned_more_often_than_they_come():
    rng = np.random.default_rng(0)
    assert 0.38 < np.mean([hard_conditions(rng).is_telephone for _ in range(400)]) < 0.5


def test_gradients_are_those_of_the_frame_that_a_step_is_fed(generator):
    config = open_model("nano").decoder
    words = torch.zeros(1, 12, dtype=torch.int64)
    user = torch.arange(12)[None, :, None].expand(-1, -1, 4) + 100
    fed = fed_tokens(config, {"text": words, "user_text": words, "user": user}, None)
    delay = config.user_delays[0]
    late = listening._late(user.float(), delay)[0, :, 0]
    assert torch.equal(late[delay + 1 :], fed[0, -1, delay + 1 :].float())
    assert not late[: delay + 1].any(), "before, nothing was heard"


@pytest.mark.slow
def test_where_a_script_has_nobody_there_are_sounds(task, generator):
    rng = np.random.default_rng(0)
    task_rng = type("Always", (), {"random": lambda self: 0.0})()
    call = task._call(task_rng)
    assert not call.user.any()
    assert (call.streams.text == 0).all()
    mel = task._heard([call, call], rng, generator)
    assert mel.std() > 0.05


@pytest.fixture
def task():
    start = open_model("nano")
    bank = BankSpeaker(start.load_codec(with_agent_encoder=True), {})
    crowd = (3000 * torch.randn(24_000, generator=torch.Generator().manual_seed(0))).short()
    return ListeningTask(start, bank, crowd, 1, rows=2, held_out=2)


@pytest.mark.slow
def test_the_ear_begins_as_the_models_own(task):
    codec = open_model("nano").load_codec()
    mel, batch = task.held_out
    ear = codec.semantic.encoder
    task.module.eval()
    with torch.no_grad():
        own = ear.read(mel, ear.init_state(len(mel), "cpu"), None)
        taught = task.ear.read(mel, task.ear.init_state(len(mel), "cpu"), None)
    torch.testing.assert_close(taught, own, atol=2e-3, rtol=0)
    assert (batch["user_text"] > EPAD).any()


@pytest.mark.slow
def test_only_factors_beside_the_ears_weights_are_learnt(task, generator, monkeypatch):
    monkeypatch.setattr(task, "most_kept", 2)
    before = {name: value.clone() for name, value in task.module.state_dict().items()}
    decoder = {name: value.clone() for name, value in task.decoder.state_dict().items()}
    optimiser = torch.optim.AdamW(task.module.parameters(), 5e-4)
    task.module.train()
    loss, parts = task.loss(0.5, generator)
    loss.backward()
    optimiser.step()
    assert set(parts) == {"text", "user_text"}
    changed = {
        name
        for name, value in task.module.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert len(changed) == 2 * 4 * len(task.ear.layers)
    assert all(name.endswith((".inner", ".outer")) for name in changed)
    assert all(torch.equal(value, decoder[n]) for n, value in task.decoder.state_dict().items())


@pytest.mark.slow
def test_calls_are_kept_and_some_made_anew(task, monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(task, "most_kept", 2)
    monkeypatch.setattr(task, "new", 1)
    made = iter(range(100))
    monkeypatch.setattr(task, "_call", lambda rng: next(made))
    assert sorted(task._draw(rng)) == [0, 1]
    assert sorted(task._draw(rng)) == [1, 2]
    assert sorted(task._draw(rng)) == [2, 3]
