from pathlib import Path

from voiceagent.records.config import RecordsConfig


def test_sound_is_not_kept_unless_asked_for():
    assert not RecordsConfig(dir=Path("/records")).with_audio
