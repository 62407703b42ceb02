"""A model in this process: a frame late, words on the same clock."""

import numpy as np
import pytest

from voiceagent.audio.framing import FRAME_SAMPLES
from voiceagent.bench.targets.base import Call
from voiceagent.bench.targets.in_process import InProcessConfig, InProcessTarget
from voiceagent.errors import ConfigError


def test_a_setting_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="in-process"):
        InProcessConfig(session={"mood": "good"}).options()


@pytest.mark.slow
def test_every_call_gets_a_reply_that_begins_a_frame_late():
    target = InProcessTarget(InProcessConfig(num_slots=2))
    rng = np.random.default_rng(0)
    calls = [
        Call(k, rng.normal(0, 0.01, 24_000 * n).astype(np.float32)) for k, n in (("a", 2), ("b", 1))
    ]
    seconds = []
    replies = {reply.key: reply for reply in target.converse(iter(calls), seconds.append)}
    assert sum(seconds) == pytest.approx(3, abs=0.2)
    assert len(replies["a"].agent) >= 48_000 + FRAME_SAMPLES
    assert not replies["b"].agent[:FRAME_SAMPLES].any()
    assert replies["a"].words is not None
    assert target.facts["delay_ms"] == 80
    target.close()
