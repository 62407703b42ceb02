"""A judge behind a real small server: seeds, bounded retries, and errors that name it."""

import sys

import pytest

from voiceagent.bench.judge import MOST_TRIES, Judge, JudgeConfig
from voiceagent.bench.prompts import read_behaviour_prompt
from voiceagent.errors import BenchError, ConfigError

TAG = '{"behaviour": ["C_RESUME"]}'
BUSY = (503, "busy")


@pytest.fixture
def prompt(upstream):
    return read_behaviour_prompt(upstream)


@pytest.fixture
def judge(judge_server):
    """A judge of a server with these replies, and how long it waited between tries."""
    opened = []

    def make(*replies, **options):
        server, waits = judge_server(*replies), []
        config = JudgeConfig(url=server.url, model="m", **options)
        opened.append(Judge(config, sleep=waits.append))
        return opened[-1], server, waits

    yield make
    for each in opened:
        each.close()


def test_a_question_is_a_chat_completion_with_model_and_seed(judge, prompt):
    asking, server, _ = judge(TAG, key="secret", seed=10)
    assert asking.ask(prompt, "hello").value == "resume"
    ((path, headers, body),) = server.asked
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["seed"]) == ("m", 11)
    assert [m["role"] for m in body["messages"]] == ["system", "user"]
    assert body["messages"][1]["content"] == "hello"


def test_a_reply_without_a_verdict_is_asked_again_with_the_next_seed(judge, prompt):
    asking, server, _ = judge("hm", "hm", TAG)
    assert asking.ask(prompt, "hello").tries == 3
    assert [body["seed"] for _, _, body in server.asked] == [1, 2, 3]


def test_one_that_never_gives_a_verdict_is_asked_a_bounded_number_of_times(judge, prompt):
    asking, server, _ = judge("hm")
    found = asking.ask(prompt, "hello")
    assert (found.value, found.reply, len(server.asked)) == (None, "hm", MOST_TRIES)


def test_a_busy_server_is_asked_later_each_time_later(judge, prompt):
    asking, _, waits = judge(BUSY, BUSY, TAG)
    assert asking.ask(prompt, "hello").value == "resume"
    assert waits == [1, 2]


def test_a_server_that_says_when_is_asked_then(judge, prompt):
    asking, _, waits = judge((429, "slow down", {"Retry-After": "7"}), TAG)
    asking.ask(prompt, "hello")
    assert waits == [7]


def test_a_server_that_stays_busy_is_named_after_a_bounded_number_of_tries(judge, prompt):
    asking, server, waits = judge(BUSY)
    with pytest.raises(BenchError, match=rf"judge m at {server.url}: 4 times.*503: busy"):
        asking.ask(prompt, "hello")
    assert (len(server.asked), len(waits)) == (MOST_TRIES, MOST_TRIES - 1)


def test_a_refusal_is_not_tried_again(judge, prompt):
    asking, server, _ = judge((401, "bad key"))
    with pytest.raises(BenchError, match="401: bad key"):
        asking.ask(prompt, "hello")
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", ["nothing", "[]", '{"choices": []}'])
def test_an_answer_of_another_protocol_is_named(judge, prompt, body):
    asking, _, _ = judge((200, body))
    with pytest.raises(BenchError, match="no chat completion"):
        asking.ask(prompt, "hello")


def test_a_server_that_is_not_there_is_named(prompt):
    asking = Judge(JudgeConfig(url="http://127.0.0.1:9", model="m"), sleep=lambda seconds: None)
    with pytest.raises(BenchError, match=r"4 times in a row: .*refused"):
        asking.ask(prompt, "hello")
    asking.close()


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x", ""])
def test_a_url_that_is_none_is_refused(url):
    with pytest.raises(ConfigError, match="is no URL such as"):
        JudgeConfig(url=url, model="m")


def test_a_judge_needs_a_model_and_never_tells_its_key():
    with pytest.raises(ConfigError, match="--judge-model"):
        JudgeConfig(url="http://x/v1", model="")
    assert "secret" not in str(JudgeConfig(url="http://x/v1", model="m", key="secret").facts)


def test_without_httpx_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ConfigError, match="pip install"):
        Judge(JudgeConfig(url="http://x/v1", model="m"))
