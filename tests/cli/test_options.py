import argparse

import pytest

from voiceagent.cli.options import bounded_float, positive_int


@pytest.mark.parametrize("text", ["0", "-1", "1000000"])
def test_positive_int_out_of_range_names_the_range(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be 1 to"):
        positive_int(text)


@pytest.mark.parametrize("text", ["-0.1", "5.1", "nan"])
def test_bounded_float_out_of_range_names_the_range(text):
    with pytest.raises(argparse.ArgumentTypeError, match="must be 0 to 5"):
        bounded_float(0, 5)(text)


def test_numbers_in_range_are_parsed():
    assert (positive_int("3"), bounded_float(0, 5)("2.5")) == (3, 2.5)
