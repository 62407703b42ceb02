import json

import pytest

from voiceagent.cli import doctor, main
from voiceagent.errors import SynthesisUnavailable

pytestmark = pytest.mark.slow  # each loads and times the model


def test_doctor_reports_every_part_and_is_ready(capsys):
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for name in ("python", "torch", "espeak-ng", "hibari", "model nano"):
        assert name in out
    assert "Ready" in out


def test_doctor_as_json_lists_checks(capsys):
    main(["doctor", "--json"])
    checks = {check["name"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["model nano"]["status"] == "ok"


def test_doctor_with_a_broken_model_says_which_and_fails(capsys, tmp_path):
    assert main(["doctor", "--model", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "broken" in out
    assert "config.json: No such file" in out


def test_doctor_names_the_fix_of_a_missing_part(capsys, monkeypatch):
    def missing():
        raise SynthesisUnavailable("espeak-ng", "no library", "apt-get install espeak-ng")

    monkeypatch.setattr("voiceagent.scenes.espeak.espeak_engine", missing)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "absent  espeak-ng" in out
    assert "-> apt-get install espeak-ng" in out


def test_doctor_finds_a_machine_too_slow_for_real_time(monkeypatch):
    monkeypatch.setattr(doctor, "FRAME_BUDGET_US", 1)
    checks = {check.name: check for check in doctor.examine("nano", 1)}
    assert checks["model nano"].status == "broken"
    assert "too slow" in checks["model nano"].fix


def test_doctor_says_what_the_model_takes_before_it_is_loaded():
    checks = {check.name: check.detail for check in doctor._sizes("nano")}
    assert "M parameters" in checks["decoder"]
    assert "in float32" in checks["decoder"]
    assert "for a context of 250 steps" in checks["decoder"]
    assert "computed and not measured: H200 " in checks["roofline"]


def test_doctor_of_moshi_7b_gives_its_published_size(tmp_path):
    (tmp_path / "model.safetensors").touch()  # not read: its name says Moshi 7B
    checks = {check.name: check.detail for check in doctor._sizes(str(tmp_path))}
    assert "7687.7 M parameters, 14.32 GiB in bfloat16; 1.47 GiB of keys" in checks["decoder"]
    assert "H200 69, H100 80GB 41" in checks["roofline"]


@pytest.mark.parametrize("is_fast", [False, True])
def test_doctor_says_whether_the_cpu_has_vnni(is_fast, monkeypatch):
    monkeypatch.setattr("voiceagent_kernels.reference.int8_linear.int8_is_fast", lambda: is_fast)
    detail = doctor._torch().detail
    assert "VNNI" in detail
    assert ("no VNNI" in detail) is not is_fast
