import argparse

import pytest

from voiceagent.cli import main
from voiceagent.cli.main import build_parser
from voiceagent.cli.serve import settings_of
from voiceagent.errors import ConfigError


def parse(*arguments: str) -> argparse.Namespace:
    return build_parser().parse_args(["serve", *arguments])


def test_flags_become_settings(tmp_path):
    settings = settings_of(
        parse(
            *("--port", "9000", "--slots", "2", "--udp-ports", "50000-50010"),
            *("--ice-server", "stun:a", "--ice-server", "stun:b"),
            *("--records", str(tmp_path), "--record-audio", "--model", "m"),
            *("--role", "be brief", "--voice", "anna", "--voices", "/v", "--policy", "on"),
        )
    )
    assert (settings.gateway.port, settings.engine.num_slots, settings.model) == (9000, 2, "m")
    assert settings.gateway.udp_ports == (50000, 50010)
    assert settings.gateway.ice_servers == ("stun:a", "stun:b")
    assert (settings.records.dir, settings.records.with_audio) == (tmp_path, True)
    assert (settings.gateway.role, settings.gateway.voice) == ("be brief", "anna")
    assert str(settings.voices.dir) == "/v"
    assert settings.engine.policy == "on"


def test_defaults_are_loopback_and_four_conversations():
    settings = settings_of(parse())
    assert settings.gateway.is_loopback
    assert settings.engine.num_slots == 4


def test_self_signed_tls_makes_a_certificate():
    settings = settings_of(parse("--host", "0.0.0.0", "--token", "x" * 16, "--tls", "self-signed"))
    assert settings.gateway.has_tls
    assert settings.gateway.url == "https://0.0.0.0:8080"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--host", "0.0.0.0"), "needs a token .* and TLS"),
        (("--port", "99999"), "--port: port must be"),
        (("--udp-ports", "many"), "--udp-ports: 'many' is no range"),
        (("--tls", "self-signed", "--tls-cert", "x"), "makes its own"),
        (("--tls-cert", "x"), "tls_cert and tls_key go together"),
    ],
)
def test_settings_that_cannot_work_are_named(arguments, problem):
    with pytest.raises(ConfigError, match=problem):
        settings_of(parse(*arguments))


def test_serve_with_an_unsafe_address_ends_with_one_line(capsys):
    assert main(["serve", "--host", "0.0.0.0"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--tls self-signed" in error
