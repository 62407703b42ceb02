import pytest

from voiceagent.errors import ConfigError
from voiceagent.scenes import script as scripts
from voiceagent.scenes.domain import BACKCHANNELS, REFUSAL, turn_for
from voiceagent.scenes.scene import SCENE_CLASSES
from voiceagent.scenes.script import Conditions, Line, Script, make_script, make_session

SEEDS = range(40)


def lines_of(scene_class, kind):
    return [
        line for seed in SEEDS for line in make_script(scene_class, seed).lines if line.kind == kind
    ]


@pytest.mark.parametrize("scene_class", SCENE_CLASSES)
def test_make_script_of_one_seed_repeats_itself(scene_class):
    assert make_script(scene_class, 5) == make_script(scene_class, 5)


@pytest.mark.parametrize("scene_class", SCENE_CLASSES[:-1])
def test_make_script_of_many_seeds_differs(scene_class):
    drawn = {(s.lines, s.conditions) for s in (make_script(scene_class, seed) for seed in SEEDS)}
    assert len(drawn) == len(SEEDS)


def test_make_script_of_an_unknown_class_names_the_known():
    with pytest.raises(ConfigError, match="question, pause"):
        make_script("party", 1)


def test_make_script_with_a_voice_changes_only_the_user():
    usual, given = make_script("interruption", 3), make_script("interruption", 3, voice="flite:kal")
    assert {line.speaker for line in given.lines if line.channel == "user"} == {"flite:kal"}
    assert [line.text for line in usual.lines] == [line.text for line in given.lines]
    assert given.id == "interruption-3-flite-kal"


@pytest.mark.parametrize("scene_class", [c for c in SCENE_CLASSES if c not in ("noise", "silence")])
def test_script_with_speech_expects_the_answers_it_holds(scene_class):
    for seed in SEEDS:
        script = make_script(scene_class, seed)
        answers = tuple(line.text for line in script.lines if line.channel == "agent")
        assert answers == script.expected.answers
        assert REFUSAL not in answers


@pytest.mark.parametrize(
    ("splits", "is_complete"), [(scripts.COMPLETE_SPLITS, True), (scripts._OPEN_SPLITS, False)]
)
def test_pause_splits_join_to_turns_of_the_domain(rng, splits, is_complete):
    for split in splits:
        first, rest = scripts.fill_split(rng, split)
        assert turn_for(f"{first} {rest}").agent_text != REFUSAL
        if not is_complete:
            assert turn_for(first).agent_text == REFUSAL


def test_pause_lasts_three_to_eight_tenths_within_one_turn():
    offsets_ms = [line.offset_ms for line in lines_of("pause", "question")]
    assert min(offsets_ms) >= 300
    assert max(offsets_ms) <= 800
    assert max(offsets_ms) - min(offsets_ms) > 300


def test_pause_comes_after_a_complete_sentence_in_half_of_the_scenes():
    # every complete split, and no open one, goes on with one of these words
    goes_on = {rest.split()[0] for _, rest in scripts.COMPLETE_SPLITS}
    assert not goes_on & {rest.split()[0] for _, rest in scripts._OPEN_SPLITS}
    num_complete = sum(line.text.split()[0] in goes_on for line in lines_of("pause", "question"))
    assert 0.3 * len(SEEDS) <= num_complete <= 0.7 * len(SEEDS)


def test_interruption_starts_during_the_answer_and_cuts_it():
    for seed in SEEDS:
        _, answer, interruption, _ = make_script("interruption", seed).lines
        assert interruption.cuts == 1
        assert interruption.offset_ms > answer.offset_ms + 700
        assert interruption.addressed
        assert make_script("interruption", seed).expected.on_overlap == "yield"


@pytest.mark.parametrize(
    ("scene_class", "kind"),
    [
        ("backchannel", "backchannel"),
        ("talk_to_others", "side_talk"),
        ("background_speech", "background"),
    ],
)
def test_overlap_that_is_no_turn_is_not_addressed_and_cuts_nothing(scene_class, kind):
    overlaps = lines_of(scene_class, kind)
    assert len(overlaps) == len(SEEDS)
    assert not any(line.addressed or line.cuts is not None for line in overlaps)
    assert make_script(scene_class, 0).expected.on_overlap == "finish"


def test_backchannels_are_those_of_the_domain():
    assert {line.text for line in lines_of("backchannel", "backchannel")} == set(BACKCHANNELS)


def test_background_speech_is_another_person_15_to_25_db_softer():
    for seed in SEEDS:
        question, _, background = make_script("background_speech", seed).lines
        assert background.speaker != question.speaker
        assert -25 <= background.gain_db <= -15
        assert background.channel == "background"


@pytest.mark.parametrize("scene_class", ["noise", "silence"])
def test_wordless_script_has_no_line_and_expects_nothing(scene_class):
    script = make_script(scene_class, 4)
    assert script.lines == script.expected.answers == ()
    assert script.min_duration_ms == 10_000


def test_silence_has_no_floor_and_noise_a_level():
    assert make_script("silence", 1).conditions == Conditions(has_floor=False)
    assert -60 <= make_script("noise", 1).conditions.noise_dbfs <= -34


def test_session_asks_so_many_questions_each_after_the_last_answer():
    script = make_session(2, 20, voice="flite:kal", gap_ms=(1000, 1500))
    assert [line.kind for line in script.lines] == ["question", "answer"] * 20
    assert [line.after for line in script.lines] == [None, *range(39)]
    assert all(1000 <= line.offset_ms <= 1500 for line in script.lines[2::2])
    assert all(
        turn_for(q.text).agent_text == a.text
        for q, a in zip(script.lines[::2], script.lines[1::2], strict=True)
    )


@pytest.mark.parametrize("field", ["after", "cuts"])
def test_script_with_a_line_that_refers_to_itself_is_refused(field):
    line = Line(kind="question", channel="user", speaker="x", text="a", offset_ms=0, **{field: 0})
    with pytest.raises(ValueError, match=f"{field} of line 0"):
        Script(
            id="a",
            scene_class="question",
            seed=0,
            lines=(line,),
            expected=make_script("silence", 0).expected,
        )
