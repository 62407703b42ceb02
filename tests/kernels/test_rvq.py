import torch
from voiceagent_kernels.reference.rvq import half_square_norms, rvq_decode, rvq_encode


def test_rvq_encode_takes_the_nearest_centroid_of_each_residual(generator):
    codebooks = torch.randn(3, 17, 5, generator=generator)
    latents = torch.randn(4, 6, 5, generator=generator)
    codes = rvq_encode(latents, codebooks, half_square_norms(codebooks))
    residual = latents
    for level in range(3):
        distance = (residual[..., None, :] - codebooks[level]).square().sum(-1)
        assert torch.equal(codes[..., level], distance.argmin(-1))
        residual = residual - codebooks[level][codes[..., level]]
    torch.testing.assert_close(latents - rvq_decode(codes, codebooks), residual)


def test_rvq_encode_of_a_tie_takes_the_first_centroid():
    codebooks = torch.tensor([[[1.0], [-1.0], [1.0]]])
    codes = rvq_encode(torch.zeros(1, 1), codebooks, half_square_norms(codebooks))
    assert codes.tolist() == [[0]]
