from hypothesis import given
from hypothesis import strategies as st

from voiceagent.gateway.phone.claims import MAX_CLAIMS, MAX_NAME_CHARS, MAX_VALUE_CHARS, sip_claims


def test_only_attributes_of_the_telephone_are_claims():
    assert sip_claims({"sip.phoneNumber": "+1", "lk.agent.state": "x"}) == {"sip.phoneNumber": "+1"}


def test_control_characters_become_spaces():
    assert sip_claims({"sip.h.a": "x\r\ny\x1b[2J"}) == {"sip.h.a": "x  y [2J"}


def test_long_names_and_values_are_cut():
    ((name, value),) = sip_claims({"sip." + "n" * 900: "v" * 900}).items()
    assert (len(name), len(value)) == (MAX_NAME_CHARS, MAX_VALUE_CHARS)


def test_the_number_stays_where_there_are_too_many():
    many = {f"sip.h.{n:03}": "" for n in range(100)}
    kept = sip_claims({**many, "sip.phoneNumber": "+1", "sip.callID": "c"})
    assert len(kept) == MAX_CLAIMS
    assert list(kept)[:2] == ["sip.callID", "sip.phoneNumber"]


@given(st.dictionaries(st.text().map("sip.".__add__), st.text()))
def test_claims_of_any_kind_are_short_and_printable(attributes):
    for name, value in sip_claims(attributes).items():
        assert len(name) <= MAX_NAME_CHARS
        assert len(value) <= MAX_VALUE_CHARS
        assert (name + value).isprintable()
