import dataclasses
import re
from html.parser import HTMLParser

import pytest

from voiceagent.records.axes import measure
from voiceagent.records.recorder import SessionRecorder
from voiceagent.records.report import axes_cards, headline, render_report
from voiceagent.records.store import RecordStore

VOID = {"meta", "br"}


class Outline(HTMLParser):
    """Text of a page, and whether its elements nest."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.words += data.split()

    @property
    def text(self):
        return " ".join(self.words)


@pytest.fixture
def record(record_one, tmp_path):
    session_id = record_one().folder.name
    return RecordStore(tmp_path).record(session_id)


def test_page_holds_every_section_of_a_session(record):
    text = Outline(render_report(record)).text
    for heading in (
        *("The four axes", "Gaps and overlaps", "Speech over the agent", "Timeline"),
        *("The whole call", "Machinery"),
    ):
        assert heading in text
    assert "A call of 2 s with nano over test, 2026-11-22 10:00 UTC. It ended: hung up." in text


def test_page_asks_nothing_of_the_network_and_runs_nothing(record):
    assert not re.search(r"https?:|@import|url\(|<script|<link|<img", render_report(record))


def test_page_says_how_its_labels_came_about(record):
    assert "Estimated. Nobody annotated this call" in Outline(render_report(record)).text
    summary = record.summary
    annotated = dataclasses.replace(summary.axes, labels="annotated")
    record = dataclasses.replace(record, summary=dataclasses.replace(summary, axes=annotated))
    text = Outline(render_report(record)).text
    assert "Annotated. Pauses" in text
    assert "stimated" not in text


def test_human_reference_names_its_source_and_that_it_is_a_stand_in(record):
    text = Outline(render_report(record)).text
    assert "Levinson and Torreira" in text
    assert "not measured data" in text


def test_what_the_record_lacks_is_said(record):
    assert "no turn-taking policy left a trace" in Outline(render_report(record)).text


def test_session_of_no_frames_has_an_honest_page(tmp_path, header):
    SessionRecorder(tmp_path, header).close("left at once")
    text = Outline(render_report(RecordStore(tmp_path).record(header.id))).text
    assert "Nobody took a turn in this call." in text
    assert "The trace holds no frames." in text
    assert "The agent answered no turn." in text
    assert text.count("this call had no occasion") == 4


def test_session_that_died_is_shown_from_its_trace(record_one, tmp_path):
    folder = record_one().folder
    (folder / "session.json").unlink()
    text = Outline(render_report(RecordStore(tmp_path).record(folder.name))).text
    assert "It still runs, or it died." in text
    assert "The only turn was answered, after 0.49 s." in text


def test_what_comes_from_outside_cannot_become_markup(record):
    header = dataclasses.replace(record.header, model="<script>alert(1)</script>")
    summary = dataclasses.replace(record.summary, end_reason="<b>bang</b>")
    text = render_report(dataclasses.replace(record, header=header, summary=summary))
    assert "<script" not in text
    assert "<b>bang" not in text


def test_a_caller_and_what_happened_to_the_call_are_shown_as_text(record):
    header = dataclasses.replace(record.header, caller={"sip.phoneNumber": "<b>+1"})
    first = dataclasses.replace(record.trace[2], events=("dtmf 5",))
    text = Outline(
        render_report(dataclasses.replace(record, header=header, trace=[first, *record.trace[3:]]))
    ).text
    assert "sip.phoneNumber <b>+1" in text
    assert "0.2 s dtmf 5" in text
    assert "The caller" not in Outline(render_report(record)).text


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ((), "Nobody took a turn in this call."),
        ((("turn", 0, 1000),), "The only turn was not answered in time."),
        ((("turn", 0, 1000), ("agent", 1300, 2000)), "The only turn was answered, after 0.30 s."),
        (
            (("turn", 0, 1000), ("agent", 1300, 2000), ("turn", 3000, 4000)),
            "1 of 2 turns was answered in time, typically after 0.30 s.",
        ),
        ((("agent", 0, 900), ("interruption", 500, 2000)), "Interruptions only."),
    ],
)
def test_headline_is_the_call_in_a_sentence(converse, lines, sentence):
    assert headline(measure(converse(*lines))) == sentence


def test_cards_show_counts_intervals_and_latencies(converse):
    axes = measure(
        converse(
            *(("turn", 0, 1000, 1600, 2500), ("agent", 500, 800, "mm"), ("agent", 2800, 6000)),
            *(("interruption", 5500, 7000), ("agent", 7400, 9000)),
        )
    )
    text = Outline(axes_cards(axes)).text
    assert "1 of 1 95 % interval: 21% to 100% pauses held the agent waited each time" in text
    assert "1 backchannel, " in text
    assert "latency p50 0.30 s, p95 0.30 s" in text
    assert "stops after p50 0.50 s, p95 0.50 s; answers p50 0.40 s" in text


def test_axis_without_an_occasion_says_so_instead_of_a_number(converse):
    text = Outline(axes_cards(measure(converse(("turn", 0, 1000), ("agent", 500, 2000))))).text
    assert "none pauses held: this call had no occasion" in text
    assert "0 of 1" in text
    assert "1 too early" in text
