"""The first stage: same length, nothing written into the data, failures, kill and resume."""

import numpy as np
import pytest

from voiceagent.bench.folder import RunFolder
from voiceagent.bench.runner import MOST_FAILURES, pending, play_samples, seconds_left
from voiceagent.bench.sound import read_sound
from voiceagent.bench.stages import begin, plan_run
from voiceagent.errors import BenchError

TASK = "candor_turn_taking"


@pytest.fixture
def data(make_data, annotations):
    return make_data({TASK: dict.fromkeys(("1", "2", "3"), annotations["turn"])})


@pytest.fixture
def start(tmp_path):
    """Begins a run of a set: (folder, samples)."""

    def begun(data, suite="fdb-v1", name="run"):
        folder = RunFolder(tmp_path / name)
        return folder, begin(folder, plan_run(suite, data, {"target": "scripted"}, {}))

    return begun


def play(folder, samples, target):
    failures = {}
    play_samples(folder, samples, target, lambda seconds: None, failures.__setitem__)
    return failures


def length_s(folder, sample="1"):
    return read_sound(folder.inside(f"{TASK}/{sample}", "output.wav")).duration_s


@pytest.mark.parametrize("extra", [0, 1000, -1000, 48_000])
def test_a_reply_gets_exactly_the_length_of_its_recording(data, start, scripted, extra):
    folder, samples = start(data)
    play(folder, samples, scripted(lambda c: (np.ones(len(c.user) + extra, np.float32), None)))
    assert length_s(folder) == 2.0


def test_a_reply_that_is_much_too_short_has_failed(data, start, scripted):
    folder, samples = start(data)
    failures = play(folder, samples, scripted(lambda c: (c.user[:24_000], None)))
    assert failures[f"{TASK}/1"] == "the target stopped 1.0 s before the recording did"
    assert not folder.inside(f"{TASK}/1", "output.wav").exists()


def test_the_target_gets_24_khz_whatever_the_data_has(make_data, annotations, start, scripted):
    data = make_data({TASK: {"1": annotations["turn"]}}, seconds=1.5, rate_hz=48_000)
    lengths = []
    target = scripted(lambda call: (lengths.append(len(call.user)), (call.user, None))[1])
    play(*start(data), target)
    assert lengths == [36_000]


def test_nothing_is_written_into_the_data(data, start, silent):
    before = {p: p.stat().st_mtime_ns for p in data.rglob("*")}
    play(*start(data), silent())
    assert {p: p.stat().st_mtime_ns for p in data.rglob("*")} == before


def test_a_failure_is_noted_with_its_reason_and_the_run_goes_on(data, start, scripted):
    folder, samples = start(data)
    target = scripted(lambda c: "it hung up" if "/2/" in c.key else (c.user, None))
    assert play(folder, samples, target) == {f"{TASK}/2": "it hung up"}
    assert [folder.state(s.key).status for s in samples] == ["done", "failed", "done"]
    assert folder.state(f"{TASK}/2").reason == "it hung up"


def test_what_failed_is_tried_again_and_what_is_done_is_not(data, start, scripted, silent):
    folder, samples = start(data)
    play(folder, samples, scripted(lambda c: "no" if "/2/" in c.key else (c.user, None)))
    again = silent()
    play(folder, samples, again)
    assert again.played == [f"{TASK}/2/output"]
    assert pending(folder, samples) == []


def test_a_run_that_is_killed_goes_on_where_it_was(data, start, silent):
    folder, samples = start(data)
    with pytest.raises(KeyboardInterrupt):
        play(folder, samples, silent(dies_after=2))
    rest = silent()
    play(folder, samples, rest)
    assert rest.played == [f"{TASK}/3/output"]


def test_a_sound_without_its_state_is_played_again(data, start, silent):
    folder, samples = start(data)
    play(folder, samples, silent())
    folder.inside(f"{TASK}/1", "output.state.json").unlink()
    assert [take.key for take in pending(folder, samples)] == [f"{TASK}/1/output"]


def test_an_unreadable_input_fails_alone(data, start, silent):
    path = data / TASK / "1" / "input.wav"
    path.write_bytes(path.read_bytes()[:-1000])
    folder, samples = start(data)
    failures = play(folder, samples, silent())
    assert "cut short" in failures[f"{TASK}/1"]
    assert len(failures) == 1


def test_a_fault_of_the_data_is_noted_and_not_played(data, start, silent):
    (data / TASK / "2" / "turn_taking.json").unlink()
    folder, samples = start(data)
    target = silent()
    assert "turn_taking.json" in play(folder, samples, target)[f"{TASK}/2"]
    assert f"{TASK}/2/output" not in target.played


def test_a_target_that_has_gone_stops_the_run(make_data, annotations, start, scripted):
    ids = [str(i) for i in range(MOST_FAILURES + 3)]
    data = make_data({TASK: dict.fromkeys(ids, annotations["turn"])}, seconds=0.2)
    target = scripted(lambda c: "refused")
    with pytest.raises(BenchError, match="failed in a row, the last one because: refused"):
        play(*start(data), target)
    assert len(target.played) == MOST_FAILURES


def test_words_of_the_target_are_kept(data, start, scripted, words):
    folder, samples = start(data)
    play(folder, samples, scripted(lambda c: (c.user, words((1.0, 1.4)))))
    assert folder.own_words(f"{TASK}/1") == words((1.0, 1.4))


def test_a_clean_twin_is_played_beside_its_recording(make_data, annotations, start, silent):
    data = make_data({"user_interruption": {"1": annotations["overlap"]}})
    folder = data / "user_interruption" / "1"
    (folder / "clean_input.wav").write_bytes((folder / "input.wav").read_bytes())
    run, samples = start(data, "fdb-v1.5")
    play(run, samples, silent())
    key = "user_interruption/1"
    assert run.state(key).status == run.state(key, "clean_").status == "done"


def test_seconds_left_are_of_what_is_not_done(data, start, silent):
    folder, samples = start(data)
    assert seconds_left(folder, samples) == 6.0
    play(folder, samples, silent())
    assert seconds_left(folder, samples) == 0


def test_seconds_left_of_what_cannot_be_read_are_none(data, start):
    (data / TASK / "1" / "input.wav").write_bytes(b"")
    assert seconds_left(*start(data)) == 4.0
