import pytest

from voiceagent.errors import ConfigError
from voiceagent.model import memory


def test_available_bytes_of_this_machine_are_more_than_nothing():
    assert memory.available_bytes("cpu") > 2**20


def test_available_bytes_are_unknown_where_the_system_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_bytes("cpu") is None
    memory.require_memory("anything", 2**80, "cpu")


def test_available_bytes_are_the_less_of_machine_and_container(monkeypatch, tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       8 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.available_bytes("cpu") == 8192
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    (tmp_path / "memory.stat").write_text("anon 10\ninactive_file 1000\n")
    assert memory.available_bytes("cpu") == 3000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available_bytes("cpu") == 8192


def test_require_memory_says_what_needs_and_what_there_is(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda device: 3 * 2**30)
    memory.require_memory("a model", 3 * 2**30, "cpu")
    problem = r"a model needs 4\.00 GiB on cpu, where 3\.00 GiB are available"
    with pytest.raises(ConfigError, match=problem):
        memory.require_memory("a model", 4 * 2**30, "cpu")
