"""Which recordings a judge is asked of, with which words, and how often."""

import json

import pytest

from voiceagent.bench.folder import Recognised, RunFolder
from voiceagent.bench.judge import Judge, JudgeConfig
from voiceagent.bench.runner import play_samples
from voiceagent.bench.stages import begin, plan_run, score_run
from voiceagent.bench.verdicts import (
    NO_JUDGE,
    NO_VERDICT,
    OTHER_WORDS,
    judge_samples,
    read_prompts,
    read_verdict,
)
from voiceagent.errors import BenchError, ConfigError

INTERRUPTION = {
    "interrupt.json": [{"context": "how are you", "interrupt": "wait", "timestamp": [0.5, 1.0]}],
}
TALKING = ((1.2, 1.4), (1.4, 1.6), (1.6, 1.8), (1.8, 1.9))
RATING, TAG = "Why: so.\nScore is 4", '{"behaviour": ["C_RESUME"]}'


@pytest.fixture
def played(tmp_path, make_data, annotations, silent, words):
    """A run with words: one interruption of v1, or one overlap of v1.5 with its twin."""

    def run(suite, said):
        is_v1 = suite == "fdb-v1"
        task = "synthetic_user_interruption" if is_v1 else "user_backchannel"
        files = INTERRUPTION if is_v1 else annotations["overlap"]
        data = make_data({task: {"1": files}})
        folder, sample = RunFolder(tmp_path / "run"), data / task / "1"
        if not is_v1:
            (sample / "clean_input.wav").write_bytes((sample / "input.wav").read_bytes())
        samples = begin(folder, plan_run(suite, data, {}, {}))
        play_samples(folder, samples, silent(), lambda seconds: None, print)
        for take in samples[0].takes:
            found = Recognised(words=words(*said), source={"recogniser": "hand"})
            folder.set_recognised(samples[0].key, take, found)
            if not is_v1:
                folder.set_recognised(samples[0].key, take, found, side="input")
        return folder, samples

    return run


@pytest.fixture
def judged(upstream, judge_server):
    """Judges a run by a server with these replies; the server and what failed."""

    def run(folder, samples, *replies, model="m"):
        server, failures = judge_server(*replies), {}
        judge = Judge(JudgeConfig(url=server.url, model=model), sleep=lambda seconds: None)
        prompts = read_prompts(samples, upstream)
        judge_samples(folder, samples, judge, prompts, lambda: None, failures.__setitem__)
        judge.close()
        return server, failures

    return run


def test_an_interruption_that_was_taken_over_is_rated(played, judged):
    folder, samples = played("fdb-v1", TALKING)
    server, failures = judged(folder, samples, RATING)
    assert (read_verdict(folder, samples[0]), failures) == ((4, ""), {})
    question = server.asked[0][2]["messages"][1]["content"]
    assert question == "first: how are you, then: wait, reply: word word word word"


def test_one_that_was_not_is_not_asked_about_and_lacks_nothing(played, judged):
    folder, samples = played("fdb-v1", ())
    server, failures = judged(folder, samples, RATING)
    assert (server.asked, failures) == ([], {})
    assert read_verdict(folder, samples[0]) == (None, "")


def test_behaviour_is_tagged_from_four_transcripts(played, judged):
    folder, samples = played("fdb-v1.5", TALKING)
    server, _ = judged(folder, samples, TAG)
    assert read_verdict(folder, samples[0]) == ("resume", "")
    assert server.asked[0][2]["messages"][1]["content"].count('"timestamp":[1.2,1.4]') == 4


def test_what_the_data_tells_of_the_user_counts(played, judged):
    folder, samples = played("fdb-v1.5", TALKING)
    told = {"chunks": [{"text": "told", "timestamp": [0.1, 0.2]}]}
    (samples[0].folder / "input.json").write_text(json.dumps(told))
    server, _ = judged(folder, samples, TAG)
    assert '"told"' in server.asked[0][2]["messages"][1]["content"]


def test_words_that_are_missing_are_named_and_nobody_is_asked(played, judged):
    folder, samples = played("fdb-v1.5", TALKING)
    folder.inside(samples[0].key, "clean_output.json").unlink()
    server, failures = judged(folder, samples, TAG)
    assert server.asked == []
    assert "words are missing" in failures[samples[0].key]


def test_a_verdict_on_other_words_does_not_count(played, judged, words):
    folder, samples = played("fdb-v1", TALKING)
    judged(folder, samples, RATING)
    changed = Recognised(words=words(*TALKING, (2.0, 2.2)), source={})
    folder.set_recognised(samples[0].key, "", changed)
    assert read_verdict(folder, samples[0]) == (None, OTHER_WORDS)


def test_another_judge_is_asked_anew(played, judged):
    folder, samples = played("fdb-v1", TALKING)
    judged(folder, samples, RATING)
    judged(folder, samples, "Why: so.\nScore is 2", model="other")
    assert read_verdict(folder, samples[0]) == (2, "")


def test_the_same_judge_is_asked_again_only_about_other_words(
    played, upstream, judge_server, words
):
    folder, samples = played("fdb-v1", TALKING)
    server = judge_server(RATING)
    prompts = read_prompts(samples, upstream)

    def ask():
        judge = Judge(JudgeConfig(url=server.url, model="m"))
        judge_samples(folder, samples, judge, prompts, lambda: None, print)
        judge.close()
        return len(server.asked)

    assert (ask(), ask()) == (1, 1)
    changed = Recognised(words=words(*TALKING, (2.0, 2.2)), source={})
    folder.set_recognised(samples[0].key, "", changed)
    assert ask() == 2


def test_a_judge_without_a_verdict_leaves_the_column_empty(played, judged):
    folder, samples = played("fdb-v1", TALKING)
    _, failures = judged(folder, samples, "no idea")
    assert "no verdict in 4 replies" in failures[samples[0].key]
    assert read_verdict(folder, samples[0]) == (None, NO_VERDICT)


def test_a_rating_reaches_the_summary_with_who_gave_it(played, judged):
    folder, samples = played("fdb-v1", TALKING)
    assert score_run(folder)["tasks"]["synthetic_user_interruption"]["missing"] == {NO_JUDGE: 1}
    judged(folder, samples, RATING)
    summary = score_run(folder)
    task = summary["tasks"]["synthetic_user_interruption"]
    assert (task["numbers"]["rating"]["value"], task["missing"]) == (4, {})
    (judge,) = summary["judged_by"]
    assert (judge["judge"], judge["seed"]) == ("m", 0)
    assert len(judge["prompt_sha256"]) == 64


def test_our_own_scenes_need_no_judge(upstream):
    with pytest.raises(ConfigError, match="tagged by a rule"):
        read_prompts([], upstream)


def test_a_damaged_verdict_is_named(played):
    folder, samples = played("fdb-v1", TALKING)
    folder.inside(samples[0].key, "output.judged.json").write_text("{}")
    with pytest.raises(BenchError, match="delete it to ask again"):
        read_verdict(folder, samples[0])
