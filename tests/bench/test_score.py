"""Rows of recordings: hand-made words and wavs, each trap of the official scripts."""

import numpy as np
import pytest
import soundfile

from voiceagent.bench.folder import FAILED, Recognised, RunFolder, State
from voiceagent.bench.rules import CORRECTED, UPSTREAM_D7336BD, UPSTREAM_PR12
from voiceagent.bench.score import NO_PEOPLE, NO_WORDS, Scoring, score_together
from voiceagent.bench.stages import begin, plan_run
from voiceagent.bench.verdicts import NO_JUDGE

EVENLY = np.full(50, 0.02)


@pytest.fixture
def scored(tmp_path, make_data, loud_finder):
    """Scores one recording: the annotation's files, both sounds, the agent's words."""

    def score(
        task, files, user, agent, words=None, *, rules=CORRECTED, people=None, rate_hz=24_000
    ):
        suite = "fdb-v1.5" if "metadata.json" in files else "fdb-v1"
        data = make_data({task: {"1": files}})
        soundfile.write(data / task / "1" / "input.wav", user, 24_000)
        folder = RunFolder(tmp_path / "run")
        (sample,) = begin(folder, plan_run(suite, data, {}, {}))
        path = folder.inside(sample.key, "output.wav")
        path.parent.mkdir(parents=True)
        soundfile.write(path, agent, rate_hz)
        folder.set_state(sample.key, "", State("done", duration_s=2.0))
        if words is not None:
            folder.set_recognised(sample.key, "", Recognised(words=words, source={}))
        scoring = Scoring(rules=rules, people=people or {}, finder=loud_finder)
        (row,) = score_together(folder, [sample], scoring)
        return row

    return score


def turn(end_s):
    return {"turn_taking.json": [{"timestamp": [end_s, end_s + 0.3]}]}


PAUSE = {"pause.json": [{"timestamp": [2.0, 2.8]}]}
INTERRUPTION = {"interrupt.json": [{"context": "", "interrupt": "", "timestamp": [6.0, 7.0]}]}
OVERLAP = {"metadata.json": {"context_text": "", "current_turn_text": "", "timestamps": [6.0, 7.0]}}


def test_a_turn_that_is_answered_is_taken_with_its_latency(scored, bursts, words):
    said = words((5.5, 5.7), (5.7, 6.0), (6.0, 6.2), (6.2, 7.5))
    user, agent = bursts(12, (1, 5)), bursts(12, (5.5, 7.5))
    row = scored("candor_turn_taking", turn(5.0), user, agent, said)
    assert (row["takeover"], row["latency_s"], row["is_good"]) == (True, 0.5, True)
    assert row["spoke_before_turn_end"] is False
    assert row["offsets_ms"] == [pytest.approx(500, abs=70)]


def test_silence_takes_no_turn(scored, bursts):
    row = scored("candor_turn_taking", turn(5.0), bursts(12, (1, 5)), bursts(12), ())
    assert (row["takeover"], row["latency_s"], row["is_good"]) == (False, None, False)
    assert (row["num_words"], row["span_s"]) == (0, 0.0)


def test_a_greeting_takes_over_officially_but_is_called_what_it_is(scored, bursts, words):
    greeting = words((0.1, 0.5), (0.5, 0.8), (0.8, 1.0), (1.0, 1.6))
    user, agent = bursts(12, (2, 5)), bursts(12, (0.1, 1.6))
    row = scored("candor_turn_taking", turn(5.0), user, agent, greeting)
    assert (row["takeover"], row["latency_s"]) == (True, 0.0)
    assert (row["spoke_before_turn_end"], row["is_good"]) == (True, False)


def test_a_pause_that_is_held_and_then_answered_is_good(scored, bursts, words):
    user, agent = bursts(9, (1, 2), (2.8, 4)), bursts(9, (4.4, 6))
    row = scored("candor_pause_handling", PAUSE, user, agent, words((4.4, 6)))
    assert (row["is_good"], row["spoke_before_turn_end"]) == (True, False)
    assert row["latency_s"] is None


def test_a_pause_that_is_taken_is_not(scored, bursts, words):
    user, agent = bursts(9, (1, 2), (2.8, 4)), bursts(9, (2.3, 5))
    row = scored("candor_pause_handling", PAUSE, user, agent, words((2.3, 5)))
    assert (row["takeover"], row["is_good"], row["spoke_before_turn_end"]) == (True, False, True)


def test_an_interruptions_latency_is_from_its_end(scored, bursts, words):
    user, agent = bursts(15, (1, 3), (6, 7)), bursts(15, (3.5, 6.4), (7.5, 9.5))
    row = scored("synthetic_user_interruption", INTERRUPTION, user, agent, words((7.5, 9.5)))
    assert (row["takeover"], row["latency_s"]) == (True, 0.5)
    assert (row["not_exercised"], row["talked_through"], row["is_good"]) == (False, False, True)


def test_talking_through_has_no_latency_officially_but_is_called_what_it_is(scored, bursts, words):
    user, agent = bursts(15, (1, 3), (6, 7)), bursts(15, (3.5, 15))
    row = scored("synthetic_user_interruption", INTERRUPTION, user, agent, words((7.0, 15.0)))
    assert (row["takeover"], row["latency_s"]) == (True, 0.0)
    assert (row["talked_through"], row["right_censored"], row["is_good"]) == (True, True, False)


def test_an_interruption_of_nobody_is_not_exercised(scored, bursts, words):
    user, agent = bursts(15, (1, 3), (6, 7)), bursts(15, (8, 10))
    row = scored("synthetic_user_interruption", INTERRUPTION, user, agent, words((8, 10)))
    assert (row["not_exercised"], row["is_good"]) == (True, None)


def test_an_overlap_is_timed_and_without_a_judge_has_no_tag(scored, bursts, words):
    user, agent = bursts(15, (1, 3), (6, 7)), bursts(15, (3.5, 6.4), (8, 10))
    row = scored("user_interruption", OVERLAP, user, agent, words((3.5, 6.4), (8, 10)))
    assert row["stop_s"] == pytest.approx(0.4, abs=0.1)
    assert row["respond_s"] == pytest.approx(1.0, abs=0.1)
    assert (row["behaviour"], row["missing"]) == (None, {"behaviour": NO_JUDGE})
    assert row["prosody"]["post"]["wpm"] == 30


def test_a_backchannel_that_is_spoken_through_is_resumed(scored, bursts, words):
    user, agent = bursts(15, (1, 3), (6, 7)), bursts(15, (3.5, 10))
    row = scored("user_backchannel", OVERLAP, user, agent, words((3.5, 10)))
    assert row["is_good"] is True


def test_at_24_khz_the_official_detector_makes_a_murmur_a_takeover(scored, bursts, words):
    user, agent, said = bursts(20, (1, 19)), bursts(20, (3.0, 3.7)), words((3.0, 3.7))
    row = scored("icc_backchannel", {}, user, agent, said, rules=UPSTREAM_D7336BD)
    assert row["backchannel_takeover"] is True
    assert row["backchannels_per_s"] == 1 / 20


@pytest.mark.parametrize("rules", [UPSTREAM_PR12, CORRECTED])
def test_at_its_true_rate_a_murmur_is_a_backchannel(scored, bursts, words, rules):
    said, people = words((3.0, 3.7)), {"1": EVENLY}
    user, agent = bursts(20, (1, 19)), bursts(20, (3.0, 3.7))
    row = scored("icc_backchannel", {}, user, agent, said, rules=rules, people=people)
    assert (row["backchannel_takeover"], row["backchannels"]) == (False, 1)
    assert row["backchannels_per_s"] == 1 / 20
    assert 0.6 < row["backchannel_jsd"] < 0.84


def test_at_16_khz_both_official_versions_agree(scored, bursts, words):
    user, agent = bursts(20, (1, 19)), bursts(20, (3.0, 3.7), rate_hz=16_000)
    options = {"rules": UPSTREAM_D7336BD, "rate_hz": 16_000}
    row = scored("icc_backchannel", {}, user, agent, words((3.0, 3.7)), **options)
    assert row["backchannel_takeover"] is False


def test_without_people_only_the_placement_is_missing(scored, bursts):
    row = scored("icc_backchannel", {}, bursts(20, (1, 19)), bursts(20), ())
    assert row["missing"] == {"backchannel_jsd": NO_PEOPLE}
    assert (row["backchannel_takeover"], row["backchannels_per_s"]) == (False, 0)


def test_without_words_the_official_columns_are_missing_and_the_others_are_not(scored, bursts):
    row = scored("candor_turn_taking", turn(5.0), bursts(12, (1, 5)), bursts(12, (5.5, 8)))
    assert row["takeover"] is row["latency_s"] is None
    assert (row["takeover_by_sound"], row["missing"]) == (True, {"words": NO_WORDS})


def test_without_words_a_backchannels_verdict_is_missing(scored, bursts):
    row = scored("icc_backchannel", {}, bursts(20, (1, 19)), bursts(20, (3, 3.7)))
    assert row["backchannel_takeover"] is None


def test_stereo_is_scored_as_its_mean(scored, bursts, words):
    agent = np.stack([bursts(12, (5.5, 8))] * 2, axis=1)
    row = scored("candor_turn_taking", turn(5.0), bursts(12, (1, 5)), agent, words((5.5, 8)))
    assert (row["status"], row["is_good"]) == ("done", True)


def test_sound_of_another_length_than_its_input_has_failed(scored, bursts):
    row = scored("candor_turn_taking", turn(5.0), bursts(12, (1, 5)), bursts(11), ())
    assert row["status"] == FAILED
    assert "lasts 11.00 s, its input 12.00 s" in row["reason"]


def test_what_was_not_played_or_failed_has_no_scores(tmp_path, make_data, annotations, loud_finder):
    data = make_data({"candor_turn_taking": dict.fromkeys("12", annotations["turn"]) | {"3": {}}})
    folder = RunFolder(tmp_path / "run")
    samples = begin(folder, plan_run("fdb-v1", data, {}, {}))
    folder.set_state(samples[1].key, "", State(FAILED, "it hung up"))
    rows = list(score_together(folder, samples, Scoring(finder=loud_finder)))
    assert [row["status"] for row in rows] == ["not run", "failed", "failed"]
    assert rows[1]["reason"] == "it hung up"
    assert "turn_taking.json" in rows[2]["reason"]
