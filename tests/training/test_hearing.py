import pytest
import torch

from voiceagent.training import hearing
from voiceagent.training.augment import Augmenter
from voiceagent.training.hearing import Listener

SHARES = ("_ROOM", "_ECHO", "_NOISE", "_TELEPHONE", "_LOSSES", "_FLOOR")


@pytest.fixture
def listener(toy_codec):
    generator = torch.Generator().manual_seed(0)
    speech = (8000 * torch.randn(24_000 * 21, generator=generator)).to(torch.int16)
    return Listener(toy_codec, Augmenter(speech, 1))


@pytest.fixture
def only(monkeypatch):
    """Nothing happens to the sound but one thing, and that always."""

    def choose(name):
        for share in SHARES:
            monkeypatch.setattr(hearing, f"{share}_SHARE", float(share == name))
        monkeypatch.setattr(hearing, "_GAIN_DB", (0.0, 0.0))

    return choose


@pytest.fixture
def call(make_speech):
    """User and agent, two seconds each."""
    return make_speech(1.92, rows=4), make_speech(1.92, rows=4).flip(0)


def test_heard_is_the_user_alone_where_nothing_happens(listener, call, only, generator):
    only(None)
    torch.testing.assert_close(listener.heard(*call, generator), call[0].clamp(-1, 1))


@pytest.mark.parametrize("effect", SHARES)
def test_heard_has_each_effect_and_repeats_with_its_generator(listener, call, only, effect):
    only(effect)
    one, two = (listener.heard(*call, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert ((one - call[0]).abs().amax(1) > 1e-5).all()


def test_heard_echo_is_the_agent_late_and_softer(listener, call, only, generator):
    only("_ECHO")
    silence, agent = torch.zeros_like(call[0]), torch.zeros_like(call[0])
    agent[:, 2400] = 1.0
    echo = listener.heard(silence, agent, generator)
    first = (echo.abs() > 1e-3).float().argmax(1)
    assert ((first >= 2400 + 480) & (first <= 2400 + 4800)).all()
    assert (echo.abs().amax(1) <= 10 ** (-10 / 20) + 1e-3).all()


def test_heard_noise_has_the_levels_of_the_scenes(listener, only):
    only("_NOISE")
    silence = torch.zeros(40, 48_000)
    heard = listener.heard(silence, silence, torch.Generator().manual_seed(1))
    level_db = 20 * torch.log10(heard.square().mean(1).sqrt())
    assert level_db.min() == pytest.approx(-56, abs=6)
    assert level_db.max() == pytest.approx(-24, abs=6)


def test_codes_are_one_row_per_frame_for_more_calls_than_fit_at_once(listener, generator):
    pcm = torch.zeros(14, 1920 * 3)
    codes = listener.codes(pcm, pcm, generator)
    assert codes.shape == (14, 3, 4)
    assert codes.dtype == torch.uint8
