import pytest
import torch
from voiceagent_codec.quantizer import ResidualQuantizer

from voiceagent.training.codebooks import CodebookTrainer


@pytest.fixture
def trainer():
    torch.manual_seed(0)
    return CodebookTrainer(ResidualQuantizer(2, 16, 4))


@pytest.fixture
def clusters():
    generator = torch.Generator().manual_seed(1)
    centres = 3 * torch.randn(16, 4, generator=generator)
    return centres[torch.randint(16, (400,), generator=generator)] + 0.05 * torch.randn(
        400, 4, generator=generator
    )


def left_over(trainer, latents):
    trainer.eval()
    quantised, _, codes = trainer(latents)
    trainer.train()
    return (latents - quantised).square().mean().item(), codes


def test_codebooks_learn_where_the_latents_are(trainer, clusters):
    before, _ = left_over(trainer, clusters)
    for _ in range(60):
        trainer(clusters)
    after, codes = left_over(trainer, clusters)
    assert after < 0.1 * before
    assert len(codes[:, 0].unique()) > 12


def test_codes_are_those_of_the_quantizer_that_serves(trainer, clusters):
    trainer(clusters)
    _, codes = left_over(trainer, clusters)
    assert torch.equal(codes, trainer.quantizer.encode(clusters))


def test_gradients_pass_straight_to_the_latents(trainer, clusters):
    latents = clusters.clone().requires_grad_(True)
    quantised, commitment, _ = trainer(latents)
    quantised.sum().backward()
    assert torch.equal(latents.grad, torch.ones_like(latents))
    assert commitment.requires_grad


def test_fewer_levels_use_the_first_codebooks_only(trainer, clusters):
    untouched = trainer.quantizer.codebooks[1].clone()
    _, _, codes = trainer(clusters, 1)
    assert codes.shape == (400, 1)
    assert torch.equal(trainer.quantizer.codebooks[1], untouched)


def test_latents_that_are_not_finite_are_not_learnt(trainer, clusters):
    trainer(clusters)
    trainer(clusters * torch.nan)
    assert trainer.quantizer.codebooks.isfinite().all()
    assert trainer.sums.isfinite().all()


def test_evaluation_changes_no_codebook(trainer, clusters):
    before = trainer.quantizer.codebooks.clone()
    left_over(trainer, clusters)
    assert torch.equal(trainer.quantizer.codebooks, before)


def test_fixed_codebooks_quantise_and_stay(trainer, clusters):
    before = trainer.quantizer.codebooks.clone()
    trainer.is_fixed = True
    _, _, codes = trainer(clusters)
    assert torch.equal(trainer.quantizer.codebooks, before)
    assert codes.shape == (400, 2)
