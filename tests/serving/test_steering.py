import numpy as np
import pytest

from voiceagent.serving.steering import Steering


def bias(*values):
    return np.array(values, np.float32)


def test_steering_that_does_nothing_fits_every_model():
    Steering().check(1)


@pytest.mark.parametrize(
    ("steering", "field"),
    [
        (Steering(forced_text=3), "forced_text must be 0 to 2, not 3"),
        (Steering(forced_text=-2), "forced_text must be 0 to 2, not -2"),
        (Steering(next_word=3), "next_word must be 0 to 2, not 3"),
        (Steering(logit_bias=bias(0, 0)), r"logit_bias must be float32 \[3\], not float32 \[2\]"),
        (Steering(logit_bias=np.zeros(3)), "logit_bias must be float32"),
        (Steering(logit_bias=bias(0, 0, np.nan)), "logit_bias must be finite"),
        (Steering(logit_bias=bias(0, 0, np.inf)), "logit_bias must be finite"),
        (Steering(logit_bias=bias(*[-np.inf] * 3)), "leave at least one token"),
    ],
)
def test_steering_that_a_model_cannot_follow_names_the_field(steering, field):
    with pytest.raises(ValueError, match=field):
        steering.check(3)


def test_steering_may_forbid_all_tokens_but_one():
    Steering(logit_bias=bias(-np.inf, 0, -np.inf)).check(3)
