import dataclasses

import pytest
import torch

from voiceagent.scenes import Conditions
from voiceagent.training.hearing import Listener

CLEAN = Conditions(has_floor=False)
EACH = {
    "room": Conditions(has_floor=False, is_in_room=True),
    "echo": Conditions(has_floor=False, echo_db=-20.0),
    "noise": Conditions(has_floor=False, noise_dbfs=-30.0),
    "babble": Conditions(has_floor=False, noise_dbfs=-30.0, is_babble=True),
    "telephone": Conditions(has_floor=False, is_telephone=True),
    "losses": Conditions(has_floor=False, lost_share=0.2),
    "level": Conditions(has_floor=False, gain_db=-6.0),
    "floor": Conditions(),
}


@pytest.fixture
def listener(toy_codec, augmenter):
    return Listener(toy_codec, augmenter)


@pytest.fixture
def call(make_speech):
    """User and agent, two seconds each."""
    return make_speech(1.92, rows=4), make_speech(1.92, rows=4).flip(0)


@pytest.mark.parametrize("effect", EACH)
def test_heard_has_what_its_conditions_say_in_that_row_alone(listener, call, effect):
    conditions = [EACH[effect], CLEAN, CLEAN, EACH[effect]]
    one, two = (
        listener.heard(*call, conditions, torch.Generator().manual_seed(3)) for _ in range(2)
    )
    assert torch.equal(one, two)
    changed = (one - call[0].clamp(-1, 1)).abs().amax(1) > 1e-5
    assert changed.tolist() == [True, False, False, True]


def test_heard_echo_is_the_agent_late_and_softer(listener, call, generator):
    silence, agent = torch.zeros_like(call[0]), torch.zeros_like(call[0])
    agent[:, 2400] = 1.0
    echo = listener.heard(silence, agent, [EACH["echo"]] * 4, generator)
    first = (echo.abs() > 1e-3).float().argmax(1)
    assert ((first >= 2400 + 480) & (first <= 2400 + 4800)).all()
    assert echo.abs().amax(1).tolist() == pytest.approx([0.1] * 4, abs=1e-3)


def test_heard_by_telephone_leaves_nothing_above_4_khz_not_even_the_floor(
    listener, call, generator
):
    conditions = [Conditions(is_telephone=True, has_floor=True, noise_dbfs=-40.0)] * 4
    power = torch.fft.rfft(listener.heard(*call, conditions, generator)).abs()
    assert power[:, power.shape[1] // 3 + 1 :].max() < 1e-4 * power.max()


@pytest.mark.parametrize("effect", ["noise", "babble"])
def test_heard_noise_has_its_level(listener, effect, generator):
    silence = torch.zeros(20, 48_000)
    heard = listener.heard(silence, silence, [EACH[effect]] * 20, generator)
    level_db = 10 * torch.log10(heard.square().mean())
    assert level_db == pytest.approx(-30, abs=2)


def test_heard_losses_are_as_many_as_the_conditions_say(listener, generator):
    sound = torch.ones(50, 48_000)
    heard = listener.heard(sound, sound, [EACH["losses"]] * 50, generator)
    assert (heard == 0).float().mean() == pytest.approx(0.2, abs=0.03)


def test_codes_are_one_row_per_frame_for_more_calls_than_fit_at_once(listener, generator):
    pcm = torch.zeros(14, 1920 * 3)
    codes = listener.codes(pcm, pcm, [CLEAN] * 14, generator)
    assert codes.shape == (14, 3, 4)
    assert codes.dtype == torch.uint8


def test_codes_are_those_of_the_codec_up_to_the_rounding_of_bfloat16(
    listener, nano_codec, call, generator
):
    listener = dataclasses.replace(listener, codec=nano_codec)
    codes = listener.codes(*call, [CLEAN] * 4, generator)
    wanted = nano_codec.encode_user(call[0])
    assert codes.shape == wanted.shape
    assert (codes == wanted)[..., 0].float().mean() > 0.8
    shuffled = listener.codes(call[0].flip(0), call[1], [CLEAN] * 4, generator)
    assert (shuffled == wanted)[..., 0].float().mean() < 0.6
