import pytest
import torch

from voiceagent.model.sampling import UNFORCED, Sampler, Sampling, only_word


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


@pytest.mark.parametrize(("temperature", "top_k"), [(0.7, 25), (0.8, 250), (1.3, 5)])
def test_draws_follow_the_distribution_that_moshi_draws_from(temperature, top_k, generator):
    """softmax(logits / T), the k likeliest of it, in proportion: chi-square over 20,000 draws."""
    draws, size = 20_000, 60
    logits = torch.randn(1, size, generator=generator) * 1.5
    p = (logits[0].double() / temperature).softmax(-1)
    best = p.topk(min(top_k, size)).indices
    expected = torch.zeros(size, dtype=torch.float64)
    expected[best] = p[best] / p[best].sum()
    sampling = Sampling.greedy(draws)
    sampling.text_temperature[:], sampling.text_top_k[:] = temperature, top_k
    sampling.seed[:] = 11
    drawn = Sampler(sampling, torch.arange(draws)).text(logits.expand(draws, size))
    counts = torch.bincount(drawn, minlength=size).double()
    assert counts[expected == 0].sum() == 0
    many = expected * draws > 5
    chi_square = ((counts - expected * draws)[many].square() / (expected * draws)[many]).sum()
    freedom = int(many.sum()) - 1
    # mean f and deviation sqrt(2 f): four deviations above is one in some ten thousand seeds
    assert float(chi_square) < freedom + 4 * (2 * freedom) ** 0.5
    distance = 0.5 * (counts / draws - expected).abs().sum()
    assert float(distance) < 0.03


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_draws_are_distributed_as_those_of_moshi(generator):
    reference = pytest.importorskip("moshi.utils.sampling", reason="needs moshi: 'make peers'")
    draws, size = 20_000, 60
    logits = torch.randn(1, size, generator=generator).expand(draws, size) * 1.5
    torch.manual_seed(3)
    theirs = reference.sample_token(logits, True, 0.7, 25)
    sampling = Sampling.greedy(draws)
    sampling.text_temperature[:], sampling.text_top_k[:] = 0.7, 25
    ours = Sampler(sampling, torch.arange(draws)).text(logits)
    shares = [torch.bincount(found, minlength=size).double() / draws for found in (ours, theirs)]
    assert float((shares[0] - shares[1]).abs().sum() / 2) < 0.03


def test_only_word_gives_one_word_the_likelihood_of_all_and_keeps_silence_as_it_was(generator):
    logits = torch.randn(3, 9, generator=generator)
    before = logits.softmax(-1)
    after = only_word(logits, torch.tensor([5, UNFORCED, 0]), pad_id=0, epad_id=1).softmax(-1)
    words = before[:, 2:].sum(-1)
    torch.testing.assert_close(after[0, [0, 1, 5]], torch.stack((*before[0, :2], words[0])))
    torch.testing.assert_close(after[2, :2], torch.stack((before[2, 0] + words[2], before[2, 1])))
    assert torch.equal(after[1], before[1])
    assert (after[0] > 0).sum() == 3
    assert (after[2] > 0).sum() == 2


def test_only_word_never_draws_another_whatever_the_temperature(generator):
    logits = only_word(torch.randn(64, 9, generator=generator), torch.full((64,), 5), 0, 1)
    sampling = Sampling.greedy(64)
    sampling.text_temperature[:] = 5.0
    sampling.text_top_k[:] = 4
    sampling.seed[:] = torch.arange(64)
    drawn = Sampler(sampling, torch.zeros(64, dtype=torch.int64)).text(logits)
    assert set(drawn.tolist()) == {0, 1, 5}
