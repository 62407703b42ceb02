import pytest

from voiceagent.errors import ConfigError
from voiceagent.model.config_file import read_json


def test_read_json_gives_the_object(tmp_path):
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_json(tmp_path / "a.json") == {"a": 1}


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[1]"])
def test_read_json_of_anything_else_names_the_file(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.json: (not JSON|must hold an object)"):
        read_json(tmp_path / "a.json")


def test_read_json_of_a_missing_file_gives_the_hint(tmp_path):
    with pytest.raises(ConfigError, match="No such file or directory; look elsewhere"):
        read_json(tmp_path / "a.json", "look elsewhere")
