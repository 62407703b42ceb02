import dataclasses

from voiceagent_codec.nano import NanoCodecConfig

from voiceagent.model.checkpoint import NANO_FOLDER, open_model
from voiceagent.training.sizes import CODEC_SIZES, with_transformer


def test_the_shipped_codec_has_the_sizes_that_are_trained_here():
    assert open_model(NANO_FOLDER).load_codec().config == CODEC_SIZES


def test_only_convolutions_are_replaced_by_a_transformer():
    assert with_transformer(CODEC_SIZES) == CODEC_SIZES
    older = NanoCodecConfig(code_width=32)
    assert with_transformer(older) == dataclasses.replace(older, hearing_layers=4)
