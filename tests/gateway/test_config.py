import dataclasses

import pytest

from voiceagent.errors import ConfigError
from voiceagent.gateway.config import GatewayConfig, IceServer

TOKEN = "0123456789abcdef"


@pytest.fixture
def tls(tmp_path):
    for name in ("cert.pem", "key.pem"):
        (tmp_path / name).write_text("x")
    return {"tls_cert": tmp_path / "cert.pem", "tls_key": tmp_path / "key.pem"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_loopback_needs_neither_token_nor_tls(host):
    assert GatewayConfig(host=host).is_loopback


def test_no_stun_server_is_asked_by_default():
    assert GatewayConfig().ice_servers == ()


def test_ice_server_may_carry_a_user_and_a_port():
    assert IceServer.parse("turns:u:p%3A1@host:443?transport=tcp") == IceServer(
        "turns:host:443?transport=tcp", "u", "p:1"
    )


@pytest.mark.parametrize("url", ["turn:host", "stun:u:p@host", "turn:user@host", "stun:", "host"])
def test_ice_server_of_another_form_is_refused_and_told_the_right_one(url):
    with pytest.raises(ValueError, match=r"turn:USER:PASSWORD@HOST"):
        IceServer.parse(url)


def test_password_of_an_ice_server_is_never_shown():
    with pytest.raises(ValueError, match="host") as refused:
        IceServer.parse("http:u:secret@host")
    shown = f"{refused.value} {GatewayConfig(ice_servers=('turn:u:secret@host',))}"
    assert "secret" not in shown


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "voice.example"])
def test_another_host_without_token_and_tls_is_refused_and_told_how(host):
    with pytest.raises(ConfigError, match=r"--token.*--tls-cert.*127\.0\.0\.1"):
        GatewayConfig(host=host)


def test_another_host_with_token_but_without_tls_is_refused():
    with pytest.raises(ConfigError, match="needs TLS"):
        GatewayConfig(host="0.0.0.0", token=TOKEN)


def test_another_host_with_tls_but_without_token_is_refused(tls):
    with pytest.raises(ConfigError, match="needs a token"):
        GatewayConfig(host="0.0.0.0", **tls)


def test_another_host_with_both_is_allowed(tls):
    config = GatewayConfig(host="0.0.0.0", token=TOKEN, **tls)
    assert config.url == "https://0.0.0.0:8080"


def test_url_of_an_ipv6_host_has_brackets():
    assert GatewayConfig(host="::1").url == "http://[::1]:8080"


def test_half_of_tls_is_refused(tls):
    with pytest.raises(ConfigError, match="go together"):
        GatewayConfig(tls_cert=tls["tls_cert"])


def test_a_tls_file_that_is_not_there_is_named(tls, tmp_path):
    with pytest.raises(ConfigError, match=r"tls_key.*gone\.pem"):
        GatewayConfig(tls_cert=tls["tls_cert"], tls_key=tmp_path / "gone.pem")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("port", -1), ("port", 65536), ("token", "short"), ("token", "with space" * 4)),
        *(("ice_servers", ("http://x",)), ("udp_ports", (80, 90)), ("udp_ports", (5000, 4000))),
        *(("media_addresses", ("nowhere",)), ("max_offers_per_minute", 0)),
        *(("connect_timeout_s", 0.0), ("vanish_after_s", -1.0), ("max_session_s", 0.0)),
    ],
)
def test_values_out_of_range_are_refused(field, value):
    with pytest.raises(ValueError, match=field if field != "media_addresses" else "nowhere"):
        GatewayConfig(**{field: value})


def test_the_token_is_not_shown():
    assert TOKEN not in repr(GatewayConfig(token=TOKEN))


def test_every_setting_has_a_default():
    assert all(f.default is not dataclasses.MISSING for f in dataclasses.fields(GatewayConfig))
