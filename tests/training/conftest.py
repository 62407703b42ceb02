import pytest
import torch
from voiceagent_codec.nano import NanoCodec, NanoCodecConfig

from voiceagent.training.augment import Augmenter
from voiceagent.training.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "run")


@pytest.fixture
def sizes():
    """A codec of the real shape at toy width."""
    return NanoCodecConfig(
        code_width=8,
        encoder_widths=(8, 8, 12, 12),
        decoder_widths=(12, 12, 8, 8),
        hearing_layers=1,
        hearing_width=16,
        hearing_heads=2,
    )


@pytest.fixture(scope="session")
def augmenter():
    """Its noises take two seconds to make; it draws from generators alone, so all may share it."""
    generator = torch.Generator().manual_seed(0)
    speech = (8000 * torch.randn(24_000 * 21, generator=generator)).to(torch.int16)
    return Augmenter(speech, 1)


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


@pytest.fixture
def toy_voice(generator):
    """Forty seconds of noise with the tracks of a steady voice."""
    packets = 2000
    pitch = torch.where(torch.arange(2 * packets) // 100 % 2 == 0, 150.0, 0.0)
    return {
        "pcm": (4000 * torch.randn(packets * 480, generator=generator)).to(torch.int16),
        "harmonic": torch.full((2 * packets, 64), -4.0).half(),
        "noise": torch.full((2 * packets, 40), -5.0).half(),
        "pitch_hz": pitch.half(),
        "phones": torch.randint(0, 40, (packets,), generator=generator).to(torch.uint8),
    }
