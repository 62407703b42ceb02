"""The files in deploy/: settings that load, and files that agree with each other."""

import re
from pathlib import Path

import pytest

from voiceagent.settings import load_settings

DEPLOY = Path(__file__).parent.parent / "deploy"
CONFIG = DEPLOY / "config"


@pytest.fixture
def settings():
    return load_settings(CONFIG / "voiceagent.toml", {"HOME": "/"}, {})


def setting(file, name):
    """The first value of a YAML key, whatever it lies in."""
    return re.search(rf"^\s*{name}: (\S+)", (CONFIG / file).read_text(), re.M)[1]


def test_the_workers_settings_load_and_let_nobody_but_the_provider_in(settings):
    assert settings.telephony.numbers
    assert not settings.telephony.is_open
    assert not settings.telephony.outbound


def test_a_worker_with_free_slots_is_not_passed_over(settings):
    assert float(setting("livekit.yaml", "target_load")) == settings.livekit.target_load


def test_all_speak_to_the_same_redis_and_server(settings):
    assert setting("livekit.yaml", "address") == setting("sip.yaml", "address")
    assert settings.livekit.url == f"ws://127.0.0.1:{setting('livekit.yaml', 'port')}"


def test_calls_may_end_before_a_container_is_killed(settings):
    compose = (DEPLOY / "compose.yaml").read_text()
    grace_minutes = int(re.search(r"stop_grace_period: (\d+)m", compose)[1])
    assert grace_minutes * 60 > settings.livekit.drain_within_s


def test_what_compose_asks_of_the_environment_is_in_the_example():
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text()))
    given = set(re.findall(r"^(\w+)=", (DEPLOY / ".env.example").read_text(), re.M))
    assert asked == given
