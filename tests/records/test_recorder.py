import json
import stat
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile

from voiceagent.records import recorder as recorder_module
from voiceagent.records.axes import EMPTY
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.store import RecordStore


def test_record_of_an_exchange_holds_its_axes_and_words(record_one, tmp_path):
    session_id = record_one().folder.name
    summary = RecordStore(tmp_path).summary(session_id)
    axes = summary.axes
    assert axes.labels == "estimated"
    # 400 ms without a frame of sound, the frame in which the answer is made, and its step
    assert axes.latencies_ms == (400 + 80 + 12,)
    assert axes.overlap_ms == 160
    assert axes.talk_share == pytest.approx(10 / 22, abs=1e-3)
    assert axes.concealed_ms == 240
    assert (summary.words_heard, summary.words_said) == (1, 10)
    assert (summary.frames_gated, summary.frames_lost) == (5, 3)
    assert (summary.step_p99_us, summary.lag_p99_us) == (10_000, 12_000)
    assert (summary.duration_ms, summary.end_reason) == (2000, "hung up")


def test_trace_has_a_line_for_every_frame(record_one, tmp_path):
    session_id = record_one().folder.name
    trace = RecordStore(tmp_path).trace(session_id)
    assert [frame.step for frame in trace] == list(range(25))
    assert trace[9].heard == "hello"


def test_sound_is_written_only_when_asked_for(tmp_path, header, make_frame, record_one):
    assert not (record_one(2).folder / "audio.wav").exists()
    stereo = np.linspace(-1, 1, 3840, dtype=np.float32).reshape(1920, 2)
    recorder = SessionRecorder(tmp_path, header, with_audio=True)
    recorder.frame(make_frame(0), stereo)
    recorder.frame(make_frame(1), stereo)
    assert recorder.close("done").has_audio
    sound, rate_hz = soundfile.read(recorder.folder / "audio.wav")
    assert rate_hz == 24_000
    np.testing.assert_allclose(sound, np.concatenate([stereo, stereo]), atol=1e-4)


def test_a_session_that_has_just_begun_can_be_read(tmp_path, header):
    recorder = SessionRecorder(tmp_path, header)
    trace = recorder.folder / "trace.jsonl"
    deadline = time.monotonic() + 5
    while not (trace.exists() and trace.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert RecordStore(tmp_path).record(recorder.folder.name).header == header
    recorder.close("done")


def test_folder_is_for_the_operator_alone(record_one):
    assert stat.S_IMODE(record_one().folder.stat().st_mode) == 0o700


def test_summary_appears_only_at_the_end(tmp_path, header, make_frame):
    recorder = SessionRecorder(tmp_path, header)
    recorder.frame(make_frame(0))
    assert not (recorder.folder / "session.json").exists()
    recorder.close("done")
    names = {path.name for path in recorder.folder.iterdir()}
    assert names == {"session.json", "trace.jsonl"}


def test_session_of_no_frames_has_an_honest_empty_summary(tmp_path, header):
    summary = SessionRecorder(tmp_path, header).close("left at once")
    assert (summary.duration_ms, summary.axes) == (0, EMPTY)


def test_steps_answered_too_late_are_counted(tmp_path, header, make_frame):
    recorder = SessionRecorder(tmp_path, header)
    for step, lag_us in enumerate((80_000, 80_001, 12_000)):
        recorder.frame(make_frame(step, lag_us=lag_us))
    assert recorder.close("done").axes.deadline_misses == 1


def test_axes_can_be_had_while_the_session_runs(tmp_path, header, make_frame):
    recorder = SessionRecorder(tmp_path, header)
    for step in range(10):
        recorder.frame(make_frame(step, user=-20.0))
    assert recorder.axes().user_ms == 800
    assert recorder.close("done").axes == recorder.axes()


def test_measurement_is_of_when_it_was_begun_and_done_in_any_thread(tmp_path, header, make_frame):
    recorder = SessionRecorder(tmp_path, header)
    for step in range(10):
        recorder.frame(make_frame(step, user=-20.0, lag_us=90_000))
    measurement = recorder.measurement(frames_lost=2)
    with ThreadPoolExecutor(1) as pool:
        for step in range(10, 400):
            recorder.frame(make_frame(step, user=-20.0 - step % 9 * 8, agent=-20.0))
            pool.submit(recorder.measurement()).result(timeout=5)
        found = pool.submit(measurement).result(timeout=5)
    assert (found.user_ms, found.deadline_misses, found.concealed_ms) == (800, 10, 160)
    recorder.close("done")


def test_rows_beyond_the_queue_are_dropped_and_counted(tmp_path, header, make_frame, monkeypatch):
    monkeypatch.setattr(recorder_module, "MAX_QUEUED_ROWS", 2)
    recorder = SessionRecorder(tmp_path, header)
    # the writer cannot take rows while it waits for nothing: fill the queue from under it
    recorder._rows.put(None)
    recorder._writer.join()
    for step in range(5):
        recorder.frame(make_frame(step))
    recorder._rows.queue.clear()
    assert recorder.close("done").trace_rows_dropped == 3


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), soundfile.LibsndfileError(2, "No space left: ")],
)
def test_disk_that_refuses_is_reported_at_the_end_and_never_before(
    tmp_path, header, make_frame, monkeypatch, error
):
    monkeypatch.setattr(recorder_module, "MAX_QUEUED_ROWS", 2)

    def refuse(self):
        raise error

    monkeypatch.setattr(SessionRecorder, "_write_all", refuse)
    recorder = SessionRecorder(tmp_path, header)
    for step in range(3):
        recorder.frame(make_frame(step))
    with pytest.raises(OSError, match="No space left"):
        recorder.close("done")


def test_trace_names_schema_version_and_session_in_its_first_line(record_one):
    folder = record_one().folder
    first = json.loads((folder / "trace.jsonl").read_text().splitlines()[0])
    assert (first["schema_version"], first["id"]) == (2, folder.name)
