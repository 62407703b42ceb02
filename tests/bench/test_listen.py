"""A recording to look at and listen to."""

import math
import re

import numpy as np
import soundfile

from voiceagent.bench.listen import player, trace_of
from voiceagent.bench.suite import read_samples
from voiceagent.bench.suites import tasks_of


def test_a_trace_has_levels_and_words_frame_by_frame(words):
    user, agent = np.zeros(24_000, np.float32), np.zeros(24_000, np.float32)
    agent[12_000:] = 0.5
    trace = trace_of(user, agent, words(("hi", 0.5, 0.6)), words(("yes", 0.1, None)))
    assert len(trace) == 13
    assert trace[6].said == " hi"
    assert trace[1].heard == " yes"
    assert trace[0].agent_dbfs < -60 < trace[8].agent_dbfs
    assert math.isnan(trace[0].p_pad)


def test_a_player_holds_both_sides_and_a_drawing(
    make_data, annotations, bursts, loud_finder, words
):
    data = make_data({"candor_turn_taking": {"1": annotations["turn"]}})
    (sample,) = read_samples(data, list(tasks_of("fdb-v1").values()))
    soundfile.write(data / "output.wav", bursts(2, (1.2, 1.9)), 24_000)
    drawn = player(sample, data / "output.wav", words(("hello", 1.2, 1.9)), loud_finder)
    assert re.search(r'<audio controls[^>]*src="data:audio/mpeg;base64,[A-Za-z0-9+/]{500}', drawn)
    assert "the agent says: hello" in drawn
    assert "nan" not in drawn.partition("</audio>")[2].lower()
