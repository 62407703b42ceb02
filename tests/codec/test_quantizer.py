import torch
from voiceagent_codec.quantizer import ResidualQuantizer, SplitQuantizer


def test_residual_quantizer_repeats_its_own_output(generator):
    quantizer = ResidualQuantizer(2, 16, 6)
    codes = quantizer.encode(torch.randn(3, 5, 6, generator=generator))
    decoded = quantizer.decode(codes)
    error = (decoded - quantizer.decode(quantizer.encode(decoded))).norm(dim=-1)
    assert (error <= 1e-5).float().mean() > 0.5
    assert codes.shape == (3, 5, 2)


def test_residual_quantizer_after_new_weights_searches_the_new_ones(generator):
    quantizer = ResidualQuantizer(1, 8, 4)
    quantizer.encode(torch.randn(1, 4, generator=generator))
    quantizer.load_state_dict({"codebooks": torch.eye(8, 4)[None] * 10})
    assert quantizer.encode(torch.eye(4) * 9).flatten().tolist() == [0, 1, 2, 3]


def test_residual_quantizer_once_frozen_makes_the_same_codes(generator):
    quantizer = ResidualQuantizer(3, 64, 4)
    latents = torch.randn(50, 4, generator=generator)
    before = quantizer.encode(latents)
    quantizer.freeze()
    assert torch.equal(before, quantizer.encode(latents))
    assert quantizer.state_dict().keys() == {"codebooks"}


def test_split_quantizer_reads_both_branches_from_the_same_latent(generator):
    quantizer = SplitQuantizer(4, 16, 6, 10)
    latents = torch.randn(2, 3, 10, generator=generator)
    with torch.no_grad():
        codes = quantizer.encode(latents)
        acoustic = quantizer.acoustic.encode(quantizer.acoustic_in(latents))
    assert codes.shape == (2, 3, 4)
    assert torch.equal(codes[..., 1:], acoustic)


def test_split_quantizer_decode_sums_the_branches(generator):
    quantizer = SplitQuantizer(3, 16, 6, 10)
    codes = torch.randint(16, (1, 2, 3), generator=generator)
    with torch.no_grad():
        semantic = quantizer.semantic_out(quantizer.semantic.codebooks[0, codes[..., 0]])
        levels = quantizer.acoustic.codebooks
        acoustic = quantizer.acoustic_out(levels[0, codes[..., 1]] + levels[1, codes[..., 2]])
        torch.testing.assert_close(quantizer.decode(codes), semantic + acoustic)
