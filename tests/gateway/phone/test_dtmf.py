import pytest

from voiceagent.gateway.phone.dtmf import codes_of, key_of


def test_keys_come_in_in_either_case():
    assert [key_of(digit) for digit in "0*#aD"] == ["0", "*", "#", "A", "D"]


@pytest.mark.parametrize("digit", ["", "e", "12", "\x00", "é"])
def test_what_is_no_key_is_none(digit):
    assert key_of(digit) is None


def test_keys_go_out_with_the_codes_of_rfc_4733():
    assert codes_of("19*#") == [(1, "1"), (9, "9"), (10, "*"), (11, "#")]


@pytest.mark.parametrize("keys", ["A", "1d"])
def test_letters_cannot_be_sent_and_the_reason_is_said(keys):
    with pytest.raises(ValueError, match="livekit-sip drops A to D"):
        codes_of(keys)


@pytest.mark.parametrize(
    ("keys", "problem"), [("", "not 0"), ("1" * 65, "not 65"), ("x", "not 'x'")]
)
def test_none_too_many_and_other_keys_are_refused(keys, problem):
    with pytest.raises(ValueError, match=problem):
        codes_of(keys)
