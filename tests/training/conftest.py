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


@pytest.fixture
def toy_speech(generator):
    """A minute in a toy language."""
    packets = 3000
    phones = torch.randint(1, 40, (packets // 10,), generator=generator).repeat_interleave(10)
    phones[::7] = 0
    time = torch.arange(packets * 480) / 24_000
    # every phone a tone of its own, so that there is something to learn
    hz = 150.0 + 60.0 * phones.repeat_interleave(480)
    sound = 8000 * torch.sin(6.28 * hz * time) * (phones.repeat_interleave(480) > 0)
    return {"pcm": sound.to(torch.int16), "phones": phones.to(torch.uint8)}
