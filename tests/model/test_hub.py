import subprocess
import sys

import pytest

from voiceagent.errors import ConfigError
from voiceagent.model import hub

ASK = "from voiceagent.model.hub import fetch_repository as f; print(f('kyutai/moshiko'))"


@pytest.mark.parametrize(
    ("name", "is_id"),
    [
        ("kyutai/moshiko-pytorch-bf16", True),
        ("nvidia/personaplex-7b-v1", True),
        ("nano", False),
        ("./models/mine", False),
        ("/models/mine", False),
        ("a/b/c", False),
        ("../x", False),
    ],
)
def test_hub_ids_are_an_organisation_and_a_name(name, is_id):
    assert hub.is_hub_id(name) == is_id


def ask(tmp_path):
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PATH": ""}
    command = [sys.executable, "-W", "error", "-c", ASK]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


@pytest.mark.slow
def test_repository_that_is_not_cached_while_offline_says_which_files_to_put_where(tmp_path):
    error = ask(tmp_path).stderr.splitlines()[-1]
    assert "kyutai/moshiko: not in the local cache, and the hub cannot be used" in error
    assert "model.safetensors" in error
    assert "into a folder, and give that folder" in error


@pytest.mark.slow
def test_repository_that_is_cached_is_used_while_offline(tmp_path):
    cache = tmp_path / "hub" / "models--kyutai--moshiko"
    snapshot = cache / "snapshots" / "0123456789012345678901234567890123456789"
    snapshot.mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text(snapshot.name)
    assert ask(tmp_path).stdout.strip() == str(snapshot)


def test_hub_id_without_the_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ConfigError, match=r"pip install huggingface_hub"):
        hub.fetch_repository("kyutai/moshiko")
