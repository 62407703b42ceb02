import torch
from voiceagent_kernels.reference import sample_top_k as module
from voiceagent_kernels.reference.sample_top_k import exponential_noise, sample_top_k


def draws(logits, temperature, top_k, count=20_000):
    steps = torch.arange(count)
    noise = exponential_noise(torch.full((count,), 5), steps, 0, logits.shape[-1])
    rows = logits.expand(count, -1)
    return sample_top_k(rows, torch.full((count,), temperature), torch.full((count,), top_k), noise)


def frequencies(tokens, size):
    return torch.bincount(tokens, minlength=size) / len(tokens)


def test_sample_top_k_draws_in_proportion_to_the_tempered_softmax():
    logits = torch.tensor([1.0, 0.0, 2.0, -1.0])
    found = frequencies(draws(logits, 0.7, 0), 4)
    # four standard errors of 20,000 draws are below 0.0142
    assert (found - (logits / 0.7).softmax(-1)).abs().max() < 0.0142


def test_sample_top_k_never_draws_outside_the_k_largest():
    logits = torch.tensor([1.0, 0.9, 0.8, 0.7])
    found = frequencies(draws(logits, 5.0, 2), 4)
    assert found[2:].sum() == 0
    assert found[:2].min() > 0.4


def test_sample_top_k_at_temperature_zero_takes_the_largest():
    assert set(draws(torch.tensor([0.0, 3.0, 2.9]), 0.0, 0, 100).tolist()) == {1}


def test_exponential_noise_of_a_row_depends_on_its_seed_and_step_alone():
    alone = exponential_noise(torch.tensor([9]), torch.tensor([4]), 2, 50)
    among = exponential_noise(torch.tensor([1, 9, 9]), torch.tensor([4, 4, 5]), 2, 50)
    assert torch.equal(among[1], alone[0])
    assert not torch.equal(among[2], alone[0])
    assert not torch.equal(among[0], alone[0])


def test_exponential_noise_has_the_mean_and_spread_of_an_exponential():
    noise = exponential_noise(torch.arange(100), torch.zeros(100, dtype=torch.int64), 0, 1000)
    assert noise.min() > 0
    assert abs(noise.mean() - 1) < 0.02
    assert abs(noise.std() - 1) < 0.02


def test_exponential_noise_is_above_zero_for_the_hash_nearest_to_one(monkeypatch):
    monkeypatch.setattr(module, "_mix", lambda x: torch.full_like(x, -1))
    noise = exponential_noise(torch.tensor([1]), torch.tensor([1]), 0, 4)
    assert (noise > 0).all()
    assert torch.isfinite(noise).all()
