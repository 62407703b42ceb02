import pytest

from voiceagent.gateway import admission
from voiceagent.gateway.admission import RateLimiter, has_token, is_local_name, is_same_origin

TOKEN = "0123456789abcdef"


class StoppedClock:
    us = 0

    def now_us(self):
        return self.us


@pytest.mark.parametrize("header", [f"Bearer {TOKEN}", f"bearer  {TOKEN} "])
def test_the_right_token_is_let_in(header):
    assert has_token(header, TOKEN)


@pytest.mark.parametrize("header", [None, "", TOKEN, f"Basic {TOKEN}", "Bearer x", "Bearer é"])
def test_any_other_header_is_not(header):
    assert not has_token(header, TOKEN)


def test_without_a_token_set_everyone_is_let_in():
    assert has_token(None, None)


@pytest.mark.parametrize(
    ("origin", "host", "is_allowed"),
    [
        (None, "a:1", True),
        ("http://a:1", "a:1", True),
        ("http://A:1", "a:1", True),
        ("http://b:1", "a:1", False),
        ("http://a:2", "a:1", False),
        ("null", "a:1", False),
        ("http://[", "a:1", False),
        ("http://", None, False),
        ("https://friend", "a:1", True),
    ],
)
def test_only_pages_of_the_same_or_a_named_origin_may_call(origin, host, is_allowed):
    assert is_same_origin(origin, host, ("https://friend",)) is is_allowed


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        *(("localhost:8080", True), ("127.0.0.1:8080", True), ("[::1]:8080", True)),
        *(("evil.example:8080", False), (None, False), ("", False), ("[", False)),
    ],
)
def test_a_host_header_with_a_foreign_name_is_told_apart(host, is_local):
    assert is_local_name(host) is is_local


def test_too_many_requests_wait_for_the_minute_to_end():
    clock = StoppedClock()
    limiter = RateLimiter(2, clock)
    assert [limiter.admit("a"), limiter.admit("a"), limiter.admit("b")] == [0, 0, 0]
    clock.us = 45_000_000
    assert limiter.admit("a") == 15
    clock.us = 60_000_000
    assert limiter.admit("a") == 0


def test_addresses_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr(admission, "MAX_ADDRESSES", 3)
    limiter = RateLimiter(1, StoppedClock())
    for n in range(10):
        limiter.admit(str(n))
    assert len(limiter._addresses) == 3
