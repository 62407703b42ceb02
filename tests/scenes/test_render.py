import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.audio.level import rms_dbfs
from voiceagent.scenes.render import YIELD_MS, place, render
from voiceagent.scenes.scene import SCENE_CLASSES, from_json
from voiceagent.scenes.script import Conditions, Line, make_script, make_session
from voiceagent.scenes.utterance import SAMPLES_PER_MS

SPEECH_CLASSES = [c for c in SCENE_CLASSES if c not in ("noise", "silence")]


def span(pcm, start_ms, end_ms):
    return pcm[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]


def line(**changes):
    values = {"kind": "question", "channel": "user", "speaker": "x", "text": "a", "offset_ms": 0}
    return Line(**values | changes)


def test_place_counts_from_the_end_of_the_anchor():
    lines = [line(offset_ms=500), line(offset_ms=300, after=0)]
    assert place(lines, [400, 200]) == [(500, 900), (1200, 1400)]


def test_place_of_an_interruption_cuts_the_answer():
    lines = [line(), line(offset_ms=300, after=0), line(offset_ms=1300, after=0, cuts=1)]
    assert place(lines, [400, 3000, 500])[1] == (700, 1700 + YIELD_MS)


def test_place_of_an_interruption_after_the_answer_leaves_it():
    lines = [line(), line(offset_ms=300, after=0), line(offset_ms=1300, after=0, cuts=1)]
    assert place(lines, [400, 600, 500])[1] == (700, 1300)


@pytest.mark.parametrize("scene_class", SCENE_CLASSES)
def test_render_twice_gives_the_same_samples_and_annotation(tone_speaker, scene_class):
    one, two = (render(make_script(scene_class, 6), tone_speaker) for _ in range(2))
    np.testing.assert_array_equal(one.user, two.user)
    np.testing.assert_array_equal(one.agent, two.agent)
    assert one.scene.to_json() == two.scene.to_json()
    assert from_json(one.scene.to_json()) == one.scene


@pytest.mark.parametrize("scene_class", SCENE_CLASSES)
def test_render_gives_whole_frames_of_the_annotated_duration(tone_speaker, scene_class):
    rendered = render(make_script(scene_class, 2), tone_speaker)
    for pcm in (rendered.user, rendered.agent):
        assert pcm.dtype == np.float32
        assert len(pcm) == rendered.scene.duration_ms * SAMPLES_PER_MS
        assert len(pcm) % FRAME_SAMPLES == 0


@pytest.mark.parametrize("scene_class", ["question", "pause", "backchannel", "interruption"])
def test_render_is_loud_within_events_and_quiet_between(tone_speaker, scene_class):
    rendered = render(make_script(scene_class, 3), tone_speaker)
    quiet = rendered.user.copy()
    for event in rendered.scene.events:
        if event.channel == "user":
            assert 0.4 <= np.abs(span(quiet, event.start_ms, event.end_ms)).max() <= 0.61
    for event in rendered.scene.events:
        if event.channel == "user":
            span(quiet, event.start_ms, event.end_ms)[:] = 0
    assert 0 < np.abs(quiet).max() < 0.005


@pytest.mark.parametrize("scene_class", SPEECH_CLASSES)
def test_render_agent_sounds_only_within_its_answers(tone_speaker, scene_class):
    rendered = render(make_script(scene_class, 3), tone_speaker)
    agent = rendered.agent.copy()
    for event in rendered.scene.of_kind("answer"):
        assert np.abs(span(agent, event.start_ms, event.end_ms)).max() > 0.3
        span(agent, event.start_ms, event.end_ms)[:] = 0
    assert not agent.any()


def test_render_words_are_where_the_sound_is(tone_speaker):
    rendered = render(make_script("question", 1), tone_speaker)
    for event in rendered.scene.events:
        pcm = rendered.user if event.channel == "user" else rendered.agent
        assert " ".join(word.text for word in event.words) == event.text
        for word in event.words:
            assert np.abs(span(pcm, word.start_ms, word.end_ms)).mean() > 0.1


def test_render_interruption_silences_the_answer_in_time(tone_speaker):
    scene = render(make_script("interruption", 3), tone_speaker).scene
    answer, interruption = scene.of_kind("answer")[0], scene.of_kind("interruption")[0]
    assert answer.end_ms == interruption.start_ms + YIELD_MS
    assert len(answer.words) < len(answer.text.split())


def test_render_background_is_softer_than_the_user_by_its_gain(tone_speaker):
    script = make_script("background_speech", 3)
    rendered = render(script, tone_speaker)
    loud, soft = (
        np.abs(span(rendered.user, event.start_ms, event.end_ms)).max()
        for event in rendered.scene.of_kind("question", "background")
    )
    assert 20 * np.log10(soft / loud) == pytest.approx(script.lines[2].gain_db, abs=1)


def test_render_silence_is_digital_silence():
    assert not render(make_script("silence", 1)).user.any()


@pytest.mark.parametrize("is_babble", [False, True])
def test_render_noise_has_its_level_and_is_annotated(tone_speaker, is_babble):
    conditions = Conditions(noise_dbfs=-40.0, is_babble=is_babble)
    rendered = render(make_script("noise", 1, conditions=conditions), tone_speaker)
    assert rms_dbfs(rendered.user) == pytest.approx(-40, abs=0.1)
    assert [event.kind for event in rendered.scene.events] == ["noise"]


def test_render_telephone_cuts_the_band(tone_speaker):
    conditions = Conditions(is_telephone=True, noise_dbfs=-30.0, has_floor=False)
    user = render(make_script("question", 1, conditions=conditions), tone_speaker).user
    spectrum = np.abs(np.fft.rfft(user)) ** 2
    hz = np.fft.rfftfreq(len(user), 1 / 24_000)
    assert spectrum[(hz < 250) | (hz > 3500)].sum() < 1e-3 * spectrum.sum()


def test_render_session_of_three_asks_and_answers_in_turn(tone_speaker):
    scene = render(make_session(1, 3), tone_speaker).scene
    assert [event.kind for event in scene.events] == ["question", "answer"] * 3


@pytest.mark.slow
@pytest.mark.parametrize("scene_class", SPEECH_CLASSES)
def test_render_speech_is_where_the_annotation_says(scene_class):
    rendered = render(make_script(scene_class, 4))
    for event in rendered.scene.events:
        if event.channel == "background":
            continue
        pcm = rendered.agent if event.channel == "agent" else rendered.user
        inside = rms_dbfs(span(pcm, event.start_ms, event.end_ms))
        before = rms_dbfs(span(pcm, event.start_ms - 100, event.start_ms))
        assert inside > before + 15


@pytest.mark.slow
def test_render_speech_twice_is_identical_after_other_scenes():
    first = render(make_script("background_speech", 8))
    render(make_script("interruption", 9))
    again = render(make_script("background_speech", 8))
    np.testing.assert_array_equal(first.user, again.user)
    np.testing.assert_array_equal(first.agent, again.agent)
    assert first.scene == again.scene


@pytest.mark.slow
def test_render_session_of_twenty_lasts_about_three_minutes():
    scene = render(make_session(1, 20, voice="flite:kal")).scene
    assert 150_000 <= scene.duration_ms <= 200_000
