import re
import xml.etree.ElementTree as ET

import pytest

from voiceagent.records.charts import BIN_MS, interval_bar, offsets_chart, steps_chart
from voiceagent.records.figures import Rate


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def shapes(svg: str, kind: str) -> list[dict]:
    return [e.attrib for e in parse(svg).iter() if e.attrib.get("class") == kind]


def test_bar_is_as_long_as_the_share_and_the_bracket_as_the_interval():
    svg = interval_bar(Rate(8, 10))
    assert float(shapes(svg, "part")[0]["width"]) == pytest.approx(160)
    low, high = re.findall(r"M([\d.]+) 1v12", shapes(svg, "range")[0]["d"])
    assert (float(low), float(high)) == pytest.approx((98.0, 188.7), abs=0.1)


def test_bar_of_nothing_is_empty():
    assert len(parse(interval_bar(Rate(0, 0)))) == 0


def test_offsets_fall_into_their_bins_and_none_is_lost():
    svg = offsets_chart([-5000, -150, 50, 150, 199, 201, 9000])
    bars = shapes(svg, "bar")
    unit = min(float(bar["height"]) for bar in bars)
    counts = [round(float(bar["height"]) / unit) for bar in bars]
    assert counts == [1, 1, 3, 1, 1]
    assert float(bars[2]["x"]) - float(bars[1]["x"]) == pytest.approx(600 * BIN_MS / 4000)


def test_human_reference_is_drawn_over_the_offsets():
    assert len(shapes(offsets_chart([100]), "human")) == 1
    assert "7 offsets" in parse(offsets_chart([1] * 7)).attrib["aria-label"]


def test_steps_that_came_too_late_stand_out():
    lag_us = [12_000] * 50
    assert shapes(steps_chart([9000] * 50, lag_us, 80), "miss") == []
    lag_us[20] = 80_001
    (miss,) = shapes(steps_chart([9000] * 50, lag_us, 80), "miss")
    assert miss["d"].count("M") == 1
    assert "1 answered after" in steps_chart([9000] * 50, lag_us, 80)


def test_long_call_keeps_its_slowest_step_in_sight():
    lag_us = [12_000] * 7500
    lag_us[4321] = 200_000
    (miss,) = shapes(steps_chart([9000] * 7500, lag_us, 80), "miss")
    assert miss["d"].count("M") == 1
    assert "10:00" in steps_chart([9000] * 7500, lag_us, 80)
