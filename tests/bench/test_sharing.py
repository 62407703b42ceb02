"""Stages in several processes: real ones, since what a process can do is what is tested."""

import functools
import json
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from voiceagent.bench.folder import RunFolder, State
from voiceagent.bench.recognise import Given, recognise_samples
from voiceagent.bench.sharing import LEAST_SHARE, Share, Stage, run_shared
from voiceagent.bench.stages import begin, plan_run
from voiceagent.errors import BenchError

COUNT = 2 * LEAST_SHARE
TASK = "candor_turn_taking"


@pytest.fixture
def run(tmp_path, make_data, annotations):
    """A run of which everything was played, with words given for all but the second recording."""
    ids = [str(index) for index in range(COUNT)]
    data = make_data({TASK: dict.fromkeys(ids, annotations["turn"])}, seconds=0.1)
    folder = RunFolder(tmp_path / "run")
    samples = begin(folder, plan_run("fdb-v1", data, {}, {}))
    for sample in samples:
        folder.set_state(sample.key, "", State("done", duration_s=0.1))
        given = tmp_path / "given" / sample.key
        given.mkdir(parents=True)
        document = {"text": sample.id, "chunks": [{"text": sample.id, "timestamp": [0, 0.1]}]}
        (given / "output.json").write_text(json.dumps(document))
    (tmp_path / "given" / TASK / "1" / "output.json").unlink()
    return folder, samples, tmp_path / "given"


def recognising(given, reopen=None):
    return Stage(recognise_samples, Given(given), reopen or functools.partial(Given, given))


def nothing(*_):
    pass


def test_little_is_not_shared():
    assert Share(range(2 * LEAST_SHARE - 1), 4).parts() == []
    assert Share(range(100), 1).parts() == []


def test_every_recording_is_in_one_share():
    waiting = range(10 * LEAST_SHARE + 3)
    parts = Share(waiting, 3).parts()
    own = set(waiting) - {index for part in parts for index in part}
    assert [len(part) for part in (*parts, own)] == [28, 27, 28]


@pytest.mark.slow
def test_two_processes_do_what_one_does_and_tell_all_of_it(run):
    folder, samples, given = run
    told, failed = [], []
    run_shared(
        folder,
        samples,
        recognising(given),
        Share(samples, 2),
        lambda: told.append(1),
        lambda *failure: failed.append(failure),
    )
    found = [folder.recognised(sample.key) for sample in samples]
    assert [words and words.words[0].text for words in found] == [
        None if index == 1 else str(index) for index in range(COUNT)
    ]
    assert len(told) == COUNT
    assert [key for key, _ in failed] == [f"{TASK}/1"]


@pytest.mark.slow
def test_a_worker_that_cannot_begin_says_why(run):
    folder, samples, given = run
    stage = recognising(given, functools.partial(Given, given / "gone"))
    with pytest.raises(BenchError, match="there is no such folder"):
        run_shared(folder, samples, stage, Share(samples, 2), nothing, nothing)


@pytest.mark.slow
def test_a_worker_that_dies_is_no_end_that_looks_whole(run):
    folder, samples, given = run
    stage = recognising(given, functools.partial(os._exit, 3))
    with pytest.raises(BenchError, match="exit code 3"):
        run_shared(folder, samples, stage, Share(samples, 2), nothing, nothing)


@pytest.mark.slow
def test_who_stops_stops_the_workers(run):
    folder, samples, given = run

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_shared(folder, samples, recognising(given), Share(samples, 2), stop, nothing)
    assert multiprocessing.active_children() == []


KILLED = """
import multiprocessing, os, signal, sys, time
from pathlib import Path
from voiceagent.bench.folder import RunFolder
from voiceagent.bench.sharing import Share, Stage, run_shared
from voiceagent.bench.suites import planned_samples

def endless(folder, samples, opened, on_progress, on_failure):
    while True:
        time.sleep(0.02)
        on_progress()

def die():
    (worker,) = multiprocessing.active_children()
    print(worker.pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    folder = RunFolder(Path(sys.argv[1]))
    samples = planned_samples(folder.plan())
    run_shared(folder, samples, Stage(endless, "", str), Share(samples, 2), die, print)
"""


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_a_caller_that_is_killed_leaves_no_worker(run, tmp_path):
    folder, _, _ = run
    script = tmp_path / "killed.py"
    script.write_text(KILLED)
    with (tmp_path / "told").open("w") as told:  # no pipe, which the worker would keep open
        subprocess.run([sys.executable, script, folder.path], stdout=told, check=False)
    worker, deadline_s = int((tmp_path / "told").read_text()), time.monotonic() + 30
    while is_alive(worker) and time.monotonic() < deadline_s:
        time.sleep(0.05)
    assert not is_alive(worker)
