import argparse
import asyncio
import json

import pytest

from voiceagent.cli import replay
from voiceagent.errors import ConfigError, RecordError
from voiceagent.records.store import RecordStore
from voiceagent.testing.decided import SCRIPT, record_call
from voiceagent.turntaking.config import TurnConfig

CONFIG = TurnConfig(yield_after_frames=8, backchannel_words=("mm", "yeah"))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """One call whose thresholds are not the defaults."""
    folder = tmp_path_factory.mktemp("records")
    asyncio.run(record_call(folder, config=CONFIG))
    return folder


@pytest.fixture
def session_id(records):
    return RecordStore(records).ids()[0]


@pytest.fixture
def run(capsys):
    def run(*arguments):
        parser = argparse.ArgumentParser()
        replay.add_parser(parser.add_subparsers())
        options = parser.parse_args(["replay", *map(str, arguments)])
        code = options.run(options)
        return code, capsys.readouterr().out

    return run


def test_every_decision_comes_out_the_same(run, records, session_id):
    code, out = run(session_id[:6], "--records", records)
    frames = len(SCRIPT)
    assert (code, out) == (
        0,
        f"session {session_id[:8]}: {frames} frames, every decision the same; the policy was on\n",
    )


def test_other_thresholds_show_what_they_change(run, records, session_id):
    code, out = run(session_id, "--records", records, "--set", "claim_after_frames=6")
    assert code == 0
    assert "claim_after_frames: 4 -> 6" in out
    assert "would have been decided otherwise" in out
    counts = {line.split("  ")[0]: line.split()[-3:] for line in out.splitlines()}
    assert counts["frames muted"] == ["6", "7", "+1"]
    assert counts["overlap -> yield (interruption)"][-2:] == ["1", "1"]
    assert "0:05.12" in out
    assert "state yield -> overlap, reason interruption -> stay" in out


def test_several_thresholds_may_be_set(run, records, session_id):
    sets = (
        "--set",
        "duck_db = -9",
        "--set",
        "is_gating=false",
        "--set",
        "backchannel_words=uh,huh",
    )
    _, out = run(session_id, "--records", records, *sets)
    assert "backchannel_words: mm,yeah -> uh,huh" in out
    assert "is_gating: true -> false" in out
    assert "gain_db -6 -> -9" in out


def test_json_has_all_of_it(run, records, session_id):
    _, out = run(session_id, "--records", records, "--json", "--set", "claim_after_frames=6")
    found = json.loads(out)
    assert (found["session"], found["decided"], found["missing"]) == (session_id, len(SCRIPT), 0)
    assert (found["config"]["yield_after_frames"], found["set"]) == (8, {"claim_after_frames": 6})
    first = found["differences"][0]
    assert first["time_ms"] == 80 * first["frame"]
    assert (first["recorded"]["state"], first["replayed"]["state"]) == ("yield", "overlap")
    wanted = {"from": "overlap", "to": "yield", "reason": "interruption"}
    assert {**wanted, "recorded": 1, "replayed": 1} in found["transitions"]
    assert found["actions"]["ducked"] == {"recorded": 1, "replayed": 1}


def edit(records, session_id, change):
    """Change the trace's lines: [header, frame, ...]."""
    file = records / session_id / "trace.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    change(lines)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def torn(tmp_path):
    """A record to be damaged."""
    return tmp_path, asyncio.run(record_call(tmp_path, "uuuu....aaaa....", config=CONFIG))


def test_a_decision_that_is_not_the_policys_is_found(run, torn):
    edit(*torn, lambda lines: lines[7]["turn"]["row"]["decision"].update(pad_bias_nats=1.5))
    code, out = run(torn[1], "--records", torn[0])
    assert code == 1
    assert "16 frames, 1 of them are decided otherwise" in out
    assert "pad_bias_nats 1.5 -> 0" in out
    assert "0:00.48" in out


def test_lines_that_a_slow_disk_lost_are_told_and_skipped(run, torn):
    edit(*torn, lambda lines: lines.__delitem__(slice(5, 9)))
    code, out = run(torn[1], "--records", torn[0])
    assert code == 0
    assert "12 frames, every decision the same" in out
    assert "the record lacks 4 frames" in out


def test_record_without_its_thresholds_is_decided_by_the_defaults_and_says_so(run, torn):
    edit(*torn, lambda lines: lines[0].pop("turn_config"))
    _, out = run(torn[1], "--records", torn[0])
    assert "does not name its thresholds" in out


def test_session_of_no_frames_has_nothing_to_decide(run, tmp_path):
    session_id = asyncio.run(record_call(tmp_path, ""))
    assert run(session_id, "--records", tmp_path) == (
        0,
        f"session {session_id[:8]}: 0 frames, nothing was decided\n",
    )


@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_session_without_turn_taking_says_so(run, tmp_path, flags):
    session_id = asyncio.run(record_call(tmp_path, "uu..", policy=""))
    code, out = run(session_id, "--records", tmp_path, *flags)
    assert code == 0
    if flags:
        assert json.loads(out)["decided"] == 0
    else:
        assert "4 frames without turn-taking" in out


def test_record_of_version_1_has_no_turn_taking(run, tmp_path):
    session_id = asyncio.run(record_call(tmp_path, "uu..", policy=""))
    edit(tmp_path, session_id, lambda lines: lines[0].update(schema_version=1))
    (tmp_path / session_id / "session.json").unlink()
    assert "4 frames without turn-taking" in run(session_id, "--records", tmp_path)[1]


def test_turn_taking_of_another_version_is_refused_by_frame(run, torn):
    edit(*torn, lambda lines: lines[4]["turn"]["row"].update(turn_schema=3))
    with pytest.raises(RecordError, match=f"{torn[1][:8]} frame 3: schema version 3"):
        run(torn[1], "--records", torn[0])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("yeild_after_frames=5", "did you mean yield_after_frames"),
        ("colour=red", "no threshold 'colour'; there are speech_above_p, "),
        ("duck_db", "write duck_db=VALUE, where VALUE is a number"),
        ("duck_db=low", "'low' is not a number"),
        ("yield_after_frames=5.5", "'5.5' is not a whole number"),
        ("yield_after_frames=true", "'true' is not a whole number"),
        ("is_gating=perhaps", "'perhaps' is not true or false"),
        ("duck_db=nan", "duck_db must be finite"),
        ("duck_db=6", "duck_db must be -60 to 0"),
        ("yield_after_frames=3", "hush_after_frames must be below yield_after_frames"),
    ],
)
def test_threshold_that_cannot_be_is_one_clear_error(run, records, session_id, text, problem):
    with pytest.raises(ConfigError, match="^--set.*" + problem):
        run(session_id, "--records", records, "--set", text)


def test_unknown_session_is_named(run, records):
    with pytest.raises(RecordError, match="begins with 'zz'"):
        run("zz", "--records", records)
