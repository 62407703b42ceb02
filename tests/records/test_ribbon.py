import re
import xml.etree.ElementTree as ET

import pytest

from voiceagent.records.axes import measure
from voiceagent.records.labels import ActivityLog
from voiceagent.records.ribbon import PIECE_MS, WIDTH, has_turns, ribbon
from voiceagent.records.schema import TurnTrace

SILENT, LOUD = -90.0, -20.0


@pytest.fixture
def draw():
    def drawn(trace) -> list[ET.Element]:
        log = ActivityLog()
        for frame in trace:
            log.add(frame)
        talk = log.conversation()
        text = ribbon(trace, talk, measure(talk), log.delay_ms)
        return list(ET.fromstring(text))

    return drawn


@pytest.fixture
def talk(make_frame):
    """12 s: the user speaks for a second, the agent answers; words on both sides."""

    def frame(step):
        user, agent = step < 12, 16 <= step < 40
        return make_frame(
            step,
            user=LOUD if user else SILENT,
            agent=LOUD if agent else SILENT,
            heard={5: " hi", 11: " you"}.get(step),
            said={16: " well", 18: " met", 20: "ric"}.get(step),
        )

    return [frame(step) for step in range(150)]


def of_class(piece: ET.Element, kind: str) -> list[ET.Element]:
    return [e for e in piece.iter() if e.attrib.get("class") == kind]


def texts(piece: ET.Element, kind: str) -> list[str]:
    return [e.text for e in of_class(piece, kind)]


def test_call_is_cut_into_pieces_of_ten_seconds(draw, talk):
    first, second = draw(talk)
    assert texts(first, "t") == ["0:00", "0:05"]
    assert texts(second, "t") == ["0:10", "0:15"]


def test_levels_stand_at_their_frames_the_agents_where_it_is_heard(draw, talk):
    first = draw(talk)[0]
    bars = {
        kind: [float(x) for x in re.findall(r"M([\d.]+) ", of_class(first, kind)[0].attrib["d"])]
        for kind in ("level user", "level agent")
    }
    assert len(bars["level user"]) == 12
    assert len(bars["level agent"]) == 24
    px_per_ms = WIDTH / PIECE_MS
    assert bars["level user"][0] == pytest.approx(40 * px_per_ms, abs=0.1)
    assert bars["level agent"][0] == pytest.approx((16 * 80 + 92 + 40) * px_per_ms, abs=0.1)


def test_words_are_whole_and_read_as_phrases(draw, talk):
    first = draw(talk)[0]
    assert texts(first, "w user") == ["hi you"]
    assert texts(first, "w agent") == ["well metric"]
    assert of_class(first, "dots agent")[0].attrib["d"].count("M") == 2


def test_each_piece_says_its_words_to_who_cannot_see_it(draw, talk):
    label = draw(talk)[0].attrib["aria-label"]
    assert label == "0:00 to 0:10; the user says: hi you; the agent says: well metric"


def test_events_are_marked_with_how_they_went(draw, talk):
    first = draw(talk)[0]
    assert texts(first, "w event") == ["✓ answer 0.41 s"]
    assert len(of_class(first, "pin good")) == 1


def test_turn_without_an_answer_is_marked_as_such(draw, talk, make_frame):
    first = draw([make_frame(f.step, user=f.user_dbfs) for f in talk])[0]
    assert texts(first, "w event") == ["× no answer", "× stuck 11.0 s"]
    assert len(of_class(first, "pin bad")) == 2


def test_without_turn_taking_only_the_models_own_curve_is_drawn(draw, talk):
    first = draw(talk)[0]
    assert not has_turns(talk)
    assert len(of_class(first, "curve pad")) == 1
    assert of_class(first, "curve vad") + of_class(first, "curve eot") == []


@pytest.fixture
def steered(talk, make_frame):
    """The same, with a policy that listens, waits and takes the turn."""

    def turn(step):
        state = "listen" if step < 12 else "user_pause" if step < 15 else "speak"
        reason = {12: "user_pauses", 15: "turn_end"}.get(step, "stay")
        observation = {"p_user": 0.9 if step < 12 else 0.1, "p_eot": 0.8 if step == 14 else None}
        decision = {"state": state, "reason": reason, "pad_bias_nats": 3.0 if step < 15 else 0.0}
        return TurnTrace(
            policy="on",
            row={"observation": observation, "decision": decision},
            generated_dbfs=LOUD if step == 60 else None,
        )

    return [make_frame(f.step, f.user_dbfs, f.agent_dbfs, turn=turn(f.step)) for f in talk]


def test_where_an_agent_does_not_tell_its_probabilities_no_curve_is_drawn(draw, make_frame):
    (piece,) = draw([make_frame(step, p_pad=float("nan")) for step in range(20)])
    assert of_class(piece, "curve pad") == []


def test_states_are_strips_and_their_names_stand_where_there_is_room(draw, steered):
    first, second = draw(steered)
    widths = {
        kind: float(of_class(first, f"state s-{kind}")[0].attrib["width"])
        for kind in ("listen", "user_pause", "speak")
    }
    assert widths == pytest.approx({"listen": 38.4, "user_pause": 9.6, "speak": 352.0}, abs=0.1)
    assert len(of_class(first, "state-name n-listen")) == 1
    assert of_class(first, "state-name n-user_pause") == []
    assert len(of_class(second, "state s-speak")) == 1


def test_reasons_are_named_unless_the_strip_shows_them_anyway(draw, steered):
    assert texts(draw(steered)[0], "w why") == ["turn end"]


def test_curves_bias_and_what_was_made_but_not_sent_are_drawn(draw, steered):
    first = draw(steered)[0]
    assert len(of_class(first, "curve vad")) == 1
    assert of_class(first, "curve eot")[0].attrib["d"].count("M") == 1
    assert of_class(first, "bias")[0].attrib["d"].count("M") == 15
    assert of_class(first, "level made")[0].attrib["d"].count("M") == 1


def test_closed_gate_shows_only_where_the_user_was_to_be_heard(draw, talk, make_frame):
    gated = [make_frame(f.step, f.user_dbfs, is_gated=f.step in (3, 4, 80)) for f in talk]
    (strip,) = of_class(draw(gated)[0], "gate")
    assert float(strip.attrib["width"]) == pytest.approx(6.4)


def test_no_text_covers_another_or_leaves_its_piece(draw, make_frame):
    frames = [
        make_frame(s, agent=LOUD, said=f" word{s}" if s % 3 == 0 else None) for s in range(250)
    ]
    for piece in draw(frames)[:-1]:
        ends = {}
        for label in of_class(piece, "w agent"):
            x, y = float(label.attrib["x"]), label.attrib["y"]
            assert x >= ends.get(y, 0)
            ends[y] = x + 5.8 * len(label.text)
            assert ends[y] <= WIDTH


def test_words_cannot_become_markup(draw, make_frame):
    (piece,) = draw([make_frame(0, said=' <b a="">&')])
    assert texts(piece, "w agent") == ['<b a="">&']


def test_reasons_that_would_stand_far_from_their_place_are_left_out(draw, make_frame):
    row = {"decision": {"state": "overlap", "reason": "false_interruption"}}
    frames = [make_frame(s, turn=TurnTrace(policy="on", row=row)) for s in range(50)]
    (piece,) = draw(frames)
    # 160 px of them, one after the other, and what stands at most 60 px behind
    assert len(texts(piece, "w why")) == 2
