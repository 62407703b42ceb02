from voiceagent.clock import MonotonicClock
from voiceagent.gateway.engine_metrics import engine_metrics
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.hub import Hub


def values(status):
    return {
        sample.name: sample.value for metric in engine_metrics(status) for sample in metric.samples
    }


def test_an_engine_that_does_not_answer_is_down_and_no_more():
    assert values(None) == {"voiceagent_engine_up": 0}


def test_slots_are_gauges_and_steps_are_counted():
    found = values(Hub(EchoEngine(), "echo", MonotonicClock()).status())
    assert found["voiceagent_engine_up"] == 1
    assert found["voiceagent_engine_num_slots"] == 1
    assert found["voiceagent_engine_steps_total"] == 0
    assert "voiceagent_engine_pid" not in found
