"""All cues of a frame, and what becomes of bad sound."""

import sys
from pathlib import Path

import numpy as np
import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.errors import DetectorUnavailable
from voiceagent.serving.config import ObserveConfig
from voiceagent.serving.ears import Ears, SoundFrame, check_frame, open_vad
from voiceagent.serving.vad import SileroVad, WebRtcVad

SILENCE = np.zeros(1920, np.float32)


@pytest.fixture(scope="module")
def speech():
    pcm = np.pad(read_wav(QUESTION).pcm, (24_000, 24_000))
    return pcm[: len(pcm) // 1920 * 1920].reshape(-1, 1920)


def hear(ears, frames, slot=0, played=SILENCE):
    return [
        ears.hear([SoundFrame(slot, index, pcm, played)])[0][0] for index, pcm in enumerate(frames)
    ]


def test_a_question_has_an_onset_and_a_pause_after_it(speech):
    cues = hear(Ears(ObserveConfig()), speech)
    speaks = [cue.frame for cue in cues if cue.p_user > 0.5]
    onsets = [cue.frame for cue in cues if cue.is_pause_onset]
    assert onsets[-1] > speaks[-1]
    assert onsets[-1] - speaks[-1] <= 2
    assert max(cue.level_dbfs for cue in cues) > -30
    assert {cue.echo for cue in cues} == {0.0}


def test_sound_that_is_no_number_is_silence_and_is_counted(speech):
    ears = Ears(ObserveConfig())
    bad = speech[30].copy()
    bad[7] = np.nan
    cue = hear(ears, [bad])[0]
    assert (ears.bad_frames, cue.level_dbfs) == (1, pytest.approx(-140, abs=1))
    assert np.isnan(bad[7])


def test_the_agents_own_sound_is_known_again(speech):
    ears = Ears(ObserveConfig())
    before = np.concatenate((SILENCE[None], speech[:-1]))
    cues = [
        ears.hear([SoundFrame(0, 0, heard * np.float32(0.25), played)])[0][0]
        for heard, played in zip(before, speech, strict=True)
    ]
    assert max(cue.echo for cue in cues) > 0.95


def test_sessions_do_not_hear_each_other(speech):
    together, alone = Ears(ObserveConfig(num_slots=3)), Ears(ObserveConfig())
    for index, pcm in enumerate(speech[20:40]):
        frames = [SoundFrame(2, index, pcm, SILENCE), SoundFrame(0, index, pcm[::-1], SILENCE)]
        found = together.hear(frames)[0][0]
        expected = hear(alone, [pcm])[0]
        assert found.p_user == pytest.approx(expected.p_user, abs=1e-6)
        assert found.level_dbfs == expected.level_dbfs


def test_a_new_session_is_like_the_first(speech):
    ears = Ears(ObserveConfig())
    hear(ears, speech[:30])
    ears.begin(0)
    assert hear(ears, speech[30:40]) == hear(Ears(ObserveConfig()), speech[30:40])


def test_a_model_that_is_missing_is_an_error_where_it_was_asked_for():
    with pytest.raises(DetectorUnavailable, match=r"gone\.onnx"):
        Ears(ObserveConfig(vad_model=Path("gone.onnx")))


def test_without_onnx_runtime_the_light_detector_steps_in(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert isinstance(open_vad(ObserveConfig()), WebRtcVad)
    assert "falling back to webrtcvad" in caplog.text
    with pytest.raises(DetectorUnavailable):
        open_vad(ObserveConfig(vad="silero"))


def test_without_any_detector_the_error_names_the_better_one(monkeypatch):
    for name in ("onnxruntime", "webrtcvad"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DetectorUnavailable, match="Silero VAD"):
        open_vad(ObserveConfig())


def test_the_detector_is_the_one_asked_for():
    assert isinstance(open_vad(ObserveConfig(vad="webrtc")), WebRtcVad)
    assert isinstance(open_vad(ObserveConfig(vad="silero")), SileroVad)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_slots", 0),
        ("vad", "loud"),
        ("silence_below_p", 0.5),
        ("max_waiting_batches", 0),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ObserveConfig(**{field: value})


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (SoundFrame(1, 0, SILENCE, SILENCE), "slot"),
        (SoundFrame(0, 0, SILENCE[:-1], SILENCE), "pcm"),
        (SoundFrame(0, 0, SILENCE, SILENCE.astype(np.float64)), "played"),
    ],
)
def test_a_frame_that_cannot_be_heard_is_refused_by_name(frame, field):
    with pytest.raises(ValueError, match=field):
        check_frame(frame, 1)
