"""Telephone lines in settings: what is refused, and whom the agent may call."""

import pytest

from voiceagent.errors import ConfigError
from voiceagent.gateway.phone.telephony import TelephonyConfig

OUT = {
    "outbound": True,
    "outbound_prefixes": ("+49", "+1510"),
    "outbound_address": "example.pstn.twilio.com",
    "outbound_number": "+15105550100",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("numbers", ("+1 510 555",)),
        ("numbers", ("",)),
        ("allowed_callers", ("anybody",)),
        ("allowed_addresses", ("54.172.60.0/33",)),
        ("room_prefix", "a room"),
        ("ringing_timeout_s", 4),
        ("ringing_timeout_s", 181),
        ("encryption", "yes"),
        ("outbound_prefixes", ("49",)),
        ("outbound_transport", "quic"),
        ("outbound_address", "sip:example.com"),
        ("outbound_number", "me"),
    ],
)
def test_a_value_that_cannot_be_is_named(field, value):
    with pytest.raises(ValueError, match=f"^{field} must be"):
        TelephonyConfig(**{field: value})


@pytest.mark.parametrize("field", ["outbound_prefixes", "outbound_address", "outbound_number"])
def test_calling_out_needs_its_other_settings(field):
    with pytest.raises(ConfigError, match=f"outbound = true needs {field} too"):
        TelephonyConfig(**{**OUT, field: type(OUT[field])()})


@pytest.mark.parametrize("given", ["username", "password", "outbound_username"])
def test_a_user_and_a_password_go_together(given):
    with pytest.raises(ConfigError, match="go together"):
        TelephonyConfig(**{given: "x"})


def test_no_password_is_shown():
    config = TelephonyConfig(
        username="u", password="hush-1", **OUT, outbound_username="u", outbound_password="hush-2"
    )
    assert "hush" not in repr(config)


@pytest.mark.parametrize("number", ["+4930123456", "+15105550199"])
def test_a_number_of_an_allowed_prefix_may_be_called(number):
    TelephonyConfig(**OUT).check_callable(number)


@pytest.mark.parametrize(
    ("number", "why"),
    [
        ("+15115550199", "may not be called"),
        ("+490", "no telephone number"),
        ("+4930123456789012", "no telephone number"),
        ("004930123456", "no telephone number"),
        ("sip:a@example.com", "no telephone number"),
        ("+49 30 123456", "no telephone number"),
    ],
)
def test_other_numbers_may_not(number, why):
    with pytest.raises(ConfigError, match=why):
        TelephonyConfig(**OUT).check_callable(number)


def test_nothing_may_be_called_unless_calling_out_is_on():
    with pytest.raises(ConfigError, match="calling out is off"):
        TelephonyConfig(**{**OUT, "outbound": False}).check_callable("+4930123456")


@pytest.mark.parametrize(
    ("guard", "is_open"),
    [
        ({}, True),
        ({"allowed_addresses": ("192.0.2.0/24",)}, False),
        ({"username": "u", "password": "p"}, False),
    ],
)
def test_a_line_is_open_unless_an_address_or_a_password_guards_it(guard, is_open):
    assert TelephonyConfig(numbers=("+15105550100",), **guard).is_open is is_open
    assert not TelephonyConfig(**guard).is_open
