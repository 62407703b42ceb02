import torch

from voiceagent.model.sampling import Sampler, Sampling


def test_sampler_without_settings_takes_the_largest():
    logits = torch.tensor([[0.0, 2.0, 1.0]])
    sampler = Sampler(None, torch.zeros(1, dtype=torch.int64))
    assert (sampler.text(logits), sampler.code(logits, 0)) == (torch.tensor([1]), torch.tensor([1]))


def test_sampler_serves_greedy_and_sampled_slots_in_one_batch():
    sampling = Sampling.greedy(2)
    sampling.text_temperature[1] = 5.0
    logits = torch.tensor([0.0, 0.1, 0.2, 0.3]).expand(2, 4)
    drawn = torch.stack(
        [Sampler(sampling, torch.tensor([t, t])).text(logits) for t in range(60)], dim=1
    )
    assert drawn[0].unique().tolist() == [3]
    assert drawn[1].unique().tolist() == [0, 1, 2, 3]


def test_sampler_draws_text_and_each_codebook_independently():
    sampling = Sampling.greedy(1)
    sampling.text_temperature[0] = sampling.code_temperature[0] = 1.0
    logits = torch.zeros(1, 1000)
    sampler = Sampler(sampling, torch.zeros(1, dtype=torch.int64))
    draws = [sampler.text(logits), *(sampler.code(logits, k) for k in range(3))]
    assert len({int(draw) for draw in draws}) == 4


def test_sampler_takes_the_likeliest_user_text_whatever_the_temperature():
    sampling = Sampling.greedy(1)
    sampling.text_temperature[0] = 5.0
    sampler = Sampler(sampling, torch.zeros(1, dtype=torch.int64))
    assert int(sampler.user_text(torch.tensor([[0.0, 0.1, 0.05]]))) == 1


def test_sampler_keeps_each_streams_own_number_of_candidates():
    sampling = Sampling.greedy(1)
    sampling.text_temperature[0] = sampling.code_temperature[0] = 5.0
    sampling.text_top_k[0], sampling.code_top_k[0] = 1, 2
    logits = torch.linspace(0, 0.4, 5)[None]
    samplers = [Sampler(sampling, torch.tensor([step])) for step in range(60)]
    assert {int(sampler.text(logits)) for sampler in samplers} == {4}
    assert {int(sampler.code(logits, 0)) for sampler in samplers} == {3, 4}
