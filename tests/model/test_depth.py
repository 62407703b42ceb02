import torch

from voiceagent.model.sampling import UNFORCED, Sampler


def greedy(rows):
    return Sampler(None, torch.zeros(rows, dtype=torch.int64))


def test_generate_chooses_what_the_teacher_forced_logits_prefer(toy_decoder, generator):
    depth, width = toy_decoder.depth, toy_decoder.config.temporal.width
    hidden = torch.randn(6, width, generator=generator)
    text = torch.randint(19, (6,), generator=generator)
    with torch.inference_mode():
        codes = depth.generate(hidden, text, None, greedy(6))
        assert torch.equal(depth(hidden, text, codes).argmax(-1), codes)
    assert len(codes.unique()) > 3


def test_generate_with_a_forced_code_conditions_the_codes_after_it(moshi_like, generator):
    depth, width = moshi_like.depth, moshi_like.config.temporal.width
    hidden = torch.randn(8, width, generator=generator)
    text = torch.randint(19, (8,), generator=generator)
    with torch.inference_mode():
        free = depth.generate(hidden, text, None, greedy(8))
        forced = torch.full((8, 3), UNFORCED)
        forced[:, 0] = (free[:, 0] + 1) % 11
        codes = depth.generate(hidden, text, forced, greedy(8))
    assert torch.equal(codes[:, 0], forced[:, 0])
    assert not torch.equal(codes[:, 1:], free[:, 1:])
