import pytest

from voiceagent.gateway.phone.target import as_uri, is_target


@pytest.mark.parametrize(
    ("target", "uri"),
    [
        ("+15105550100", "tel:+15105550100"),
        ("100", "tel:100"),
        ("tel:+15105550100", "tel:+15105550100"),
        ("sip:desk@example.com", "sip:desk@example.com"),
        ("sip:desk@10.0.0.1:5061;transport=tcp", "sip:desk@10.0.0.1:5061;transport=tcp"),
        ("sips:a.b+c@example.com", "sips:a.b+c@example.com"),
    ],
)
def test_numbers_and_addresses_become_what_livekit_takes(target, uri):
    assert as_uri(target) == uri


@pytest.mark.parametrize(
    "target",
    ["", "1", "desk", "sip:@x", "sip:a@b c", "tel:", "http://a", "+1\r\n2", "sip:a@" + "b" * 300],
)
def test_anything_else_is_no_target(target):
    assert not is_target(target)
    with pytest.raises(ValueError, match="a transfer goes to"):
        as_uri(target)
