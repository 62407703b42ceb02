"""Telling our own voice in the microphone from somebody else's."""

import numpy as np
import pytest

from voiceagent.audio.wav import read_wav
from voiceagent.cli.talk import QUESTION
from voiceagent.serving.echo_coherence import EchoCoherence


@pytest.fixture(scope="module")
def speech():
    pcm = read_wav(QUESTION).pcm
    return pcm[: len(pcm) // 1920 * 1920]


def coherence(microphone, loudspeaker):
    echo = EchoCoherence(1)
    frames = zip(microphone.reshape(-1, 1, 1920), loudspeaker.reshape(-1, 1, 1920), strict=True)
    return np.array([echo.frames([0], heard, played)[0] for heard, played in frames])


def delayed(pcm, ms, gain=1.0):
    shift = ms * 24
    return np.concatenate((np.zeros(shift, np.float32), gain * pcm[: len(pcm) - shift]))


def loud(pcm):
    return np.sqrt(np.mean(pcm.reshape(-1, 1920) ** 2, axis=1)) > 0.02


@pytest.mark.parametrize("delay_ms", [0, 120, 500])
@pytest.mark.parametrize("gain", [0.25, 0.05])
def test_a_delayed_fainter_copy_is_an_echo(speech, delay_ms, gain):
    microphone = delayed(speech, delay_ms, gain).astype(np.float32)
    is_loud = loud(microphone / gain)
    assert np.median(coherence(microphone, speech)[is_loud]) > 0.9


def test_somebody_elses_speech_is_not(speech):
    other = speech[::-1].copy()
    assert np.median(coherence(other, speech)[loud(other)]) < 0.5


def test_without_a_sound_of_the_agent_there_is_no_echo(speech):
    assert not coherence(speech, np.zeros_like(speech)).any()


def test_an_echo_that_nobody_asks_for_is_not_looked_for(speech):
    echo = EchoCoherence(2)
    frame = np.stack([speech[len(speech) // 2 :][:1920]] * 2)
    found = echo.frames([0, 1], frame, frame, np.array([True, False]))
    assert found[0] > 0.9
    assert found[1] == 0.0


def test_a_new_session_forgets_what_was_played(speech):
    echo = EchoCoherence(1)
    frame = speech[len(speech) // 2 :][None, :1920]
    echo.frames([0], frame, frame)
    echo.begin(0)
    assert echo.frames([0], frame, np.zeros_like(frame))[0] == 0.0
