import torch

from voiceagent.model.config import ROLLBACK_STEPS
from voiceagent.model.moshi_config import moshi_config
from voiceagent.model.size import decoder_size


def test_decoder_size_of_moshi_7b_is_the_published_one():
    size = decoder_size(moshi_config(None, "x").decoder)
    assert size.parameters == 7_687_729_152
    assert round(size.weight_bytes(torch.bfloat16) / 2**30, 2) == 14.32
    assert size.kv_elements_per_step * 2 == 512 * 1024
    assert size.kv_bytes(torch.bfloat16) == 512 * 1024 * (3000 + ROLLBACK_STEPS)


def test_decoder_size_counts_what_is_there(nano, nano_decoder):
    size = decoder_size(nano.decoder)
    assert size.parameters == sum(p.numel() for p in nano_decoder.parameters())
    rings = nano_decoder.init_state(1).rings
    assert size.kv_bytes(torch.float32) == sum(ring.num_bytes() for ring in rings)
