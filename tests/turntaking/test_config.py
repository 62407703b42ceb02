"""Thresholds are checked when they are set."""

import pytest

from voiceagent.turntaking.config import MAX_SILENCE_FRAMES, TurnConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("speech_above_p", 1.5),
        ("model_trust", -0.1),
        ("model_trust", float("nan")),
        ("listen_hold_nats", 13.0),
        ("turn_end_slope", float("inf")),
        ("onset_frames", 0),
        ("onset_frames", 2.0),
        ("onset_frames", True),
        ("is_gating", 1),
        ("duck_db", 3.0),
        ("far_below_db", -1.0),
        ("rewind_max_frames", 7),
        ("resume_max_frames", 13),
        ("yield_frames", 7),
        ("max_repeats", 0),
        ("backchannel_words", ("mm", "")),
        ("backchannel_words", "mm"),
        ("backchannel_max_words", 0),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        TurnConfig(**{field: value})


@pytest.mark.parametrize(
    ("lower", "upper", "value"),
    [
        ("silence_below_p", "speech_above_p", 0.5),
        ("echo_above", "loud_echo_above", 0.8),
        ("hold_max_frames", "pause_max_frames", 35),
        ("take_force_frames", "take_max_frames", 12),
        ("claim_after_frames", "yield_after_frames", 10),
        ("backchannel_lift_frames", "backchannel_max_frames", 11),
        ("stuck_check_frames", "stuck_max_frames", 50),
    ],
)
def test_thresholds_out_of_order_are_refused_by_name(lower, upper, value):
    with pytest.raises(ValueError, match=f"{lower} must be below {upper}"):
        TurnConfig(**{lower: value})


def test_a_finished_turn_can_never_wait_four_seconds():
    with pytest.raises(ValueError, match=r"pause_max_frames \+ take_max_frames"):
        TurnConfig(pause_max_frames=MAX_SILENCE_FRAMES - 13, take_max_frames=12)


def test_whole_numbers_do_for_levels():
    assert TurnConfig(duck_db=-9).duck_db == -9
