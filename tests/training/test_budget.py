import pytest

from voiceagent.errors import ConfigError
from voiceagent.training.budget import GPU_SHARES, SHARES, SIDE_BY_SIDE, Budget, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("1.5h", 5400), ("150", 150), ("2s", 2)]
)
def test_parse_duration_knows_hours_minutes_and_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "m", "ten", "-5m", "5d", "1e3"])
def test_parse_duration_of_anything_else_is_refused(text):
    with pytest.raises(ConfigError, match="no duration"):
        parse_duration(text)


@pytest.mark.parametrize("workers", [1, 2])
def test_budget_is_shared_out_completely(workers):
    budget = Budget(seconds=1000, workers=workers)
    core_s = sum(
        budget.seconds_for(stage) * (1 if stage in SIDE_BY_SIDE else workers) for stage in SHARES
    )
    assert core_s == pytest.approx(1000 * workers)
    tuning = Budget(seconds=1000, workers=workers, teach="hearing")
    assert sum(map(tuning.seconds_for, tuning.shares)) == pytest.approx(1000)
    assert "voice" not in tuning.shares
    conversation = Budget(seconds=1000, workers=workers, teach="conversation")
    assert sum(map(conversation.seconds_for, conversation.shares)) == pytest.approx(1000)
    assert not {"semantic", "voice"} & set(conversation.shares)
    voice = Budget(seconds=1000, workers=workers, teach="voice")
    assert sum(map(voice.seconds_for, voice.shares)) == pytest.approx(1000)


def test_budget_on_a_gpu_is_the_time_of_stages_one_after_the_other():
    budget = Budget(seconds=1000, workers=16, on_gpu=True)
    beside = {"voice", "dialogues"}  # they run while others do
    seconds = [budget.seconds_for(stage) for stage in GPU_SHARES if stage not in beside]
    assert sum(seconds) == pytest.approx(1000)
    assert set(GPU_SHARES) == set(SHARES)
    for teach in ("hearing", "conversation"):
        tuning = Budget(seconds=1000, workers=16, on_gpu=True, teach=teach)
        beside = {"dialogues"}
        seconds = [tuning.seconds_for(stage) for stage in tuning.shares if stage not in beside]
        assert sum(seconds) == pytest.approx(1000)


def test_budget_of_seconds_is_refused_and_a_short_one_says_what_it_skips():
    with pytest.raises(ConfigError, match="at least 60s"):
        Budget(seconds=30, workers=2)
    assert "too short to understand" in Budget(seconds=120, workers=2).note()
    assert "decoder" in Budget(seconds=5400, workers=2).note()


def test_budget_without_workers_is_refused():
    with pytest.raises(ConfigError, match="--workers"):
        Budget(seconds=100, workers=0)
