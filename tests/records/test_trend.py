import dataclasses
import re
import xml.etree.ElementTree as ET

import pytest

from voiceagent.records.axes import measure
from voiceagent.records.store import RecordStore
from voiceagent.records.trend import MOST_POINTS, render_trend


@pytest.fixture
def summary(record_one, tmp_path):
    return RecordStore(tmp_path).summary(record_one().folder.name)


@pytest.fixture
def calls(summary, converse):
    """Three calls: one of one turn, one of two turns, one of none."""
    talks = (
        converse(("turn", 0, 1000), ("agent", 1300, 2000)),
        converse(("turn", 0, 1000), ("agent", 1500, 2000), ("turn", 3000, 4000)),
        converse(),
    )
    return [dataclasses.replace(summary, axes=measure(talk)) for talk in talks]


def charts(text: str) -> dict[str, ET.Element]:
    found = [ET.fromstring(svg) for svg in re.findall(r'<svg class="chart".*?</svg>', text)]
    return {svg.attrib["aria-label"].split(":")[0]: svg for svg in found}


def points(svg: ET.Element) -> list[float]:
    return [float(e.attrib["cy"]) for e in svg.iter() if e.attrib.get("class") == "point"]


def test_each_call_is_a_point_where_it_had_an_occasion(calls):
    taken = charts(render_trend(calls))["Smooth turn-taking"]
    assert points(taken) == pytest.approx([8, 54])


def test_sum_is_over_all_calls(calls):
    assert "2<small> of 3</small>" in render_trend(calls)


def test_table_has_a_line_per_call_the_newest_first(calls):
    later = dataclasses.replace(calls[0].header, started_at="2026-11-23T09:00:00.000")
    calls[2] = dataclasses.replace(calls[2], header=later)
    text = render_trend(calls)
    assert text.count('<th scope="row">') == 3
    assert text.index("2026-11-23 09:00") < text.index("2026-11-22 10:00")


def test_chart_shows_the_last_calls_and_the_sum_all(calls):
    text = render_trend(calls[:1] * (MOST_POINTS + 5))
    assert len(points(charts(text)["Smooth turn-taking"])) == MOST_POINTS
    assert f"{MOST_POINTS + 5}<small> of {MOST_POINTS + 5}" in text


def test_records_without_axes_are_counted_and_left_out(calls, summary):
    old = dataclasses.replace(summary, axes=None)
    text = render_trend([old, *calls])
    assert "1 older record without axes left out" in text
    assert "3 calls" in text


def test_page_of_nothing_says_so():
    assert "No calls to show yet." in render_trend([])


def test_page_asks_nothing_of_the_network_and_runs_nothing(calls):
    assert not re.search(r"https?:|@import|url\(|<script|<link|<img", render_trend(calls))
