import pytest
import torch
from voiceagent_codec.nano import NanoCodec, NanoCodecConfig

from voiceagent.training.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "run")


@pytest.fixture
def sizes():
    """A codec of the real shape at toy width."""
    return NanoCodecConfig(
        code_width=8, encoder_widths=(8, 8, 12, 12), decoder_widths=(12, 12, 8, 8)
    )


@pytest.fixture
def toy_codec(sizes):
    torch.manual_seed(0)
    codec = NanoCodec(sizes, with_agent_encoder=True).eval()
    codec.measure_silence()
    return codec
