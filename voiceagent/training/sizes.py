"""Sizes of the codec that is trained here."""

import dataclasses

from voiceagent_codec.nano import NanoCodecConfig

#: The transformer that hears has the sizes of the encoder of Whisper tiny.en, which it begins with.
CODEC_SIZES = NanoCodecConfig(hearing_layers=4)


def with_transformer(config: NanoCodecConfig) -> NanoCodecConfig:
    """Sizes of a codec that hears by a transformer, if need be by one in place of convolutions."""
    layers = config.hearing_layers or CODEC_SIZES.hearing_layers
    return dataclasses.replace(config, hearing_layers=layers)
