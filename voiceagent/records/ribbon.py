"""The ribbon: a call as a band of time, in pieces of ten seconds that wrap like words.

Each piece is a drawing of its own: user above, agent below, what they said, what counted, and what
turn-taking saw and did. On a wide page three of them make a row of half a minute, on a phone one
does. Only what the trace holds is drawn.
"""

from __future__ import annotations

import bisect
import dataclasses
import math
from collections.abc import Callable, Iterable, Sequence

from voiceagent.records.activity import FRAME_MS, Span
from voiceagent.records.axes import Axes
from voiceagent.records.conversation import Conversation
from voiceagent.records.events import WANTED, Event
from voiceagent.records.page import clock, escape, seconds
from voiceagent.records.schema import TraceFrame

PIECE_MS = 10_000
WIDTH = 400
_PX_PER_MS = WIDTH / PIECE_MS
_FRAME_PX = FRAME_MS * _PX_PER_MS
#: Levels are drawn from here to there.
_FLOOR_DBFS, _FULL_DBFS = -60.0, -10.0
#: Mean width of a letter of the 10 px text.
_LETTER_PX = 5.8
#: Words within this time of one another make a phrase of at most so many; beyond so many letters
#: it takes two lines.
_PHRASE_GAP_MS, _PHRASE_WORDS, _LINE_LETTERS = 800, 10, 16
#: A reason that would have to stand further from its place than this is left out.
_FAR_PX = 60
#: Reasons that the strip and the levels show anyway.
_PLAIN_REASONS = {"user_speaks", "user_pauses", "user_resumes", "agent_starts", "agent_done"}
_LINE_PX = 12

# where things lie, from the top; what follows the marks is only there with turn-taking
_TIME_Y, _HEARD_Y, _BAND_Y, _BAND_PX = 10, 27, 80, 34
_SAID_Y, _MARKS_Y = 128, 156
_STATE_Y, _REASON_Y, _CURVES_Y, _CURVES_PX, _BIAS_Y, _BIAS_PX = 176, 200, 206, 36, 258, 12

_WANTED = WANTED | {"pause": "held", "turn": "taken", "floor": "kept", "backchannel": "made"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Label:
    """Text at a place of the whole band, before it is cut into pieces."""

    x: float
    line: int
    text: str


def ribbon(trace: Sequence[TraceFrame], talk: Conversation, axes: Axes, delay_ms: int) -> str:
    """Every piece of a call.

    Args:
        trace: of the call.
        talk: the spans that the axes were measured on.
        axes: their events become marks.
        delay_ms: by which the agent is heard after the frame that it answers.
    """
    end_ms = max((f.time_ms + FRAME_MS for f in trace), default=0)
    heard = _words((f.time_ms, f.heard) for f in trace)
    said = _words((f.time_ms + delay_ms, f.said) for f in trace)
    heard_text, said_text = _placed(_phrases(heard)), _placed(_phrases(said))
    marks = _placed([(_mark_ms(e), [_mark_text(e)]) for e in axes.events if _mark_text(e)], 2)
    reasons = _placed([(f.time_ms, [_reason(f)]) for f in trace if _reason(f)], 1, _FAR_PX)
    overlaps = _overlaps(talk)
    is_tall, drawn = has_turns(trace), []
    for piece in range(-(-end_ms // PIECE_MS)):
        at = _At(piece)
        parts = [
            at.both(overlaps),
            at.time(),
            at.texts(heard_text, _HEARD_Y, "w user"),
            at.dots(heard, _BAND_Y - _BAND_PX - 3, "dots user"),
            at.levels(trace, 0, -1, "level user", lambda f: f.user_dbfs),
            at.levels(trace, delay_ms, 1, "level made", _generated_dbfs),
            at.levels(trace, delay_ms, 1, "level agent", lambda f: f.agent_dbfs),
            at.gated(trace),
            at.texts(said_text, _SAID_Y, "w agent"),
            at.dots(said, _BAND_Y + _BAND_PX + 3, "dots agent"),
            at.marks(axes.events),
            at.texts(marks, _MARKS_Y, "w event"),
        ]
        if is_tall:
            parts += [at.states(trace), at.texts(reasons, _REASON_Y, "w why"), at.turn(trace)]
        parts.append(at.curve(trace, "curve pad", _p_pad, is_tall))
        drawn.append(_svg(at, "".join(parts), at.frames(trace), is_tall))
    return f'<div class="ribbon">{"".join(drawn)}</div>'


def has_turns(trace: Sequence[TraceFrame]) -> bool:
    """Whether a turn-taking policy left its traces."""
    return any(frame.turn is not None for frame in trace)


class _At:
    """One piece: draws what lies in it, in its own coordinates."""

    def __init__(self, piece: int) -> None:
        self.begin_ms, self.end_ms = piece * PIECE_MS, (piece + 1) * PIECE_MS

    def x(self, ms: float) -> float:
        return (ms - self.begin_ms) * _PX_PER_MS

    def holds(self, ms: float) -> bool:
        return self.begin_ms <= ms < self.end_ms

    def frames(self, trace: Sequence[TraceFrame], shift_ms: int = 0) -> Sequence[TraceFrame]:
        # by time, not by index: lines may be missing where the disk was too slow
        bounds_ms = (self.begin_ms - shift_ms, self.end_ms - shift_ms)
        first, last = (bisect.bisect_left(trace, t, key=lambda f: f.time_ms) for t in bounds_ms)
        return trace[first:last]

    def time(self) -> str:
        ticks = "".join(f"M{s * WIDTH / 10:g} 14v{6 if s % 5 else 10}" for s in range(10))
        label = f'<text class="t" x="3" y="{_TIME_Y}">{clock(self.begin_ms)}</text>'
        middle = f'<text class="t" x="{WIDTH / 2 + 3:g}" y="{_TIME_Y}">'
        middle += f"{clock(self.begin_ms + PIECE_MS // 2)}</text>"
        axis = f'<path class="axis" d="M0 {_BAND_Y}H{WIDTH}"/>'
        return f'<path class="tick" d="{ticks}"/>{axis}{label}{middle}'

    def texts(self, labels: Sequence[_Label], y: int, kind: str) -> str:
        left = self.begin_ms * _PX_PER_MS
        return "".join(
            f'<text class="{kind}" x="{item.x - left:.1f}" y="{y + item.line * _LINE_PX}">'
            f"{escape(item.text)}</text>"
            for item in labels
            if left <= item.x < left + WIDTH
        )

    def dots(self, words: Sequence[tuple[int, str]], y: int, kind: str) -> str:
        """When each word began."""
        path = "".join(f"M{self.x(t):.1f} {y}h0" for t, _ in words if self.holds(t))
        return f'<path class="{kind}" d="{path}"/>' if path else ""

    def levels(
        self,
        trace: Sequence[TraceFrame],
        shift_ms: int,
        direction: int,
        kind: str,
        level: Callable[[TraceFrame], float],
    ) -> str:
        bars = []
        for frame in self.frames(trace, shift_ms):
            share = (level(frame) - _FLOOR_DBFS) / (_FULL_DBFS - _FLOOR_DBFS)
            if share > 0:
                x = self.x(frame.time_ms + shift_ms + FRAME_MS / 2)
                bars.append(f"M{x:.1f} {_BAND_Y}v{direction * _BAND_PX * min(share, 1):.1f}")
        return f'<path class="{kind}" d="{"".join(bars)}"/>' if bars else ""

    def both(self, overlaps: Sequence[Span]) -> str:
        inside = [
            Span(max(s.start_ms, self.begin_ms), min(s.end_ms, self.end_ms)) for s in overlaps
        ]
        return "".join(
            f'<rect class="both" x="{self.x(s.start_ms):.1f}" y="{_BAND_Y - _BAND_PX}" '
            f'width="{s.duration_ms * _PX_PER_MS:.1f}" height="{2 * _BAND_PX}"/>'
            for s in inside
            if s.duration_ms > 0
        )

    def gated(self, trace: Sequence[TraceFrame]) -> str:
        """Where the model heard silence though the user was to be heard."""
        return self._strip(
            trace, lambda f: f.is_gated and f.user_dbfs > _FLOOR_DBFS, _BAND_Y - 1, 2, "gate"
        )

    def states(self, trace: Sequence[TraceFrame]) -> str:
        drawn, runs = [], _runs(self.frames(trace), lambda f: f.turn.state if f.turn else None)
        for state, span in runs:
            x, width = self.x(span.start_ms), span.duration_ms * _PX_PER_MS
            drawn.append(
                f'<rect class="state s-{escape(state)}" x="{x:.1f}" y="{_STATE_Y}" '
                f'width="{width:.1f}" height="13"/>'
            )
            name = str(state).replace("_", " ")
            if width > len(name) * 4.8 + 4:
                drawn.append(
                    f'<text class="state-name n-{escape(state)}" x="{x + 3:.1f}" '
                    f'y="{_STATE_Y + 10}">{escape(name)}</text>'
                )
        return "".join(drawn)

    def curve(
        self,
        trace: Sequence[TraceFrame],
        kind: str,
        value: Callable[[TraceFrame], float | None],
        is_below: bool = True,
    ) -> str:
        """A probability; interrupted where it is not known."""
        bottom = (_CURVES_Y if is_below else _STATE_Y) + _CURVES_PX
        path, is_down = [], False
        for frame in self.frames(trace):
            probability = value(frame)
            if probability is not None:
                y = bottom - probability * _CURVES_PX
                path.append(f"{'L' if is_down else 'M'}{self.x(frame.time_ms):.1f} {y:.1f}")
                path.append(f"h{_FRAME_PX:.1f}")
            is_down = probability is not None
        frame_of = f'<path class="axis" d="M0 {bottom}H{WIDTH}M0 {bottom - _CURVES_PX}H{WIDTH}"/>'
        return frame_of + (f'<path class="{kind}" d="{"".join(path)}"/>' if path else "")

    def turn(self, trace: Sequence[TraceFrame]) -> str:
        """What turn-taking believed, and how it leaned on the model."""
        return (
            self.curve(trace, "curve vad", lambda f: f.turn.p_user if f.turn else None)
            + self.curve(trace, "curve eot", lambda f: f.turn.p_eot if f.turn else None)
            + self.bias(trace)
        )

    def bias(self, trace: Sequence[TraceFrame]) -> str:
        """Up holds the agent back, down lets it speak."""
        bars = []
        for frame in self.frames(trace):
            nats = frame.turn.bias_nats if frame.turn else None
            if nats:
                height = max(-1.0, min(1.0, nats / 6)) * _BIAS_PX
                bars.append(f"M{self.x(frame.time_ms + FRAME_MS / 2):.1f} {_BIAS_Y}v{-height:.1f}")
        axis = f'<path class="axis" d="M0 {_BIAS_Y}H{WIDTH}"/>'
        return axis + (f'<path class="bias" d="{"".join(bars)}"/>' if bars else "")

    def marks(self, events: Sequence[Event]) -> str:
        drawn = []
        for event in events:
            at_ms = _mark_ms(event)
            if _mark_text(event) and self.holds(at_ms):
                kind = "good" if _is_wanted(event) else "bad"
                drawn.append(
                    f'<path class="pin {kind}" d="M{self.x(at_ms):.1f} {_BAND_Y - _BAND_PX}'
                    f'V{_MARKS_Y - 9}"/>'
                )
        return "".join(drawn)

    def _strip(
        self,
        trace: Sequence[TraceFrame],
        is_so: Callable[[TraceFrame], bool],
        y: int,
        height: int,
        kind: str,
    ) -> str:
        return "".join(
            f'<rect class="{kind}" x="{self.x(span.start_ms):.1f}" y="{y}" '
            f'width="{span.duration_ms * _PX_PER_MS:.1f}" height="{height}"/>'
            for was_so, span in _runs(self.frames(trace), is_so)
            if was_so
        )


def _svg(at: _At, inside: str, frames: Sequence[TraceFrame], is_tall: bool) -> str:
    height = _BIAS_Y + _BIAS_PX + 4 if is_tall else _STATE_Y + _CURVES_PX + 4
    label = f"{clock(at.begin_ms)} to {clock(at.end_ms)}"
    for name, words in (
        ("the user says", [f.heard for f in frames]),
        ("the agent says", [f.said for f in frames]),
    ):
        text = "".join(word for word in words if word).strip()
        label += f"; {name}: {text}" if text else ""
    return (
        f'<svg role="img" aria-label="{escape(label)}" viewBox="0 0 {WIDTH} {height}">'
        f"{inside}</svg>"
    )


def _overlaps(talk: Conversation) -> list[Span]:
    """When both speak."""
    user = [part for speech in talk.user for part in speech.parts]
    agent = [speech.span for speech in talk.agent]
    return [
        Span(max(mine.start_ms, yours.start_ms), min(mine.end_ms, yours.end_ms))
        for mine in user
        for yours in agent
        if mine.start_ms < yours.end_ms and yours.start_ms < mine.end_ms
    ]


def _generated_dbfs(frame: TraceFrame) -> float:
    """What the model made of the agent's sound, where that is more than what was sent."""
    made = frame.turn.generated_dbfs if frame.turn else None
    return _FLOOR_DBFS if made is None else made


def _p_pad(frame: TraceFrame) -> float | None:
    """Nothing where the agent is none of ours and does not tell."""
    return None if math.isnan(frame.p_pad) else frame.p_pad


def _reason(frame: TraceFrame) -> str:
    if frame.turn is None:
        return ""
    named = [n for n in (frame.turn.reason, *frame.turn.events) if n and n not in _PLAIN_REASONS]
    return ", ".join(named).replace("_", " ")


def _words(pieces: Iterable[tuple[int, str | None]]) -> list[tuple[int, str]]:
    """Pieces of text as words: one that begins with no space goes on where the last ended."""
    found: list[tuple[int, str]] = []
    for time_ms, piece in pieces:
        if not piece:
            continue
        if found and not piece.startswith(" "):
            found[-1] = (found[-1][0], found[-1][1] + piece)
        else:
            found.append((time_ms, piece.strip()))
    return found


def _phrases(words: Iterable[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """Words that follow one another, in two lines where one would run far ahead of the time."""
    groups: list[list[tuple[int, str]]] = []
    for word in words:
        goes_on = groups and word[0] - groups[-1][-1][0] <= _PHRASE_GAP_MS
        if goes_on and len(groups[-1]) < _PHRASE_WORDS:
            groups[-1].append(word)
        else:
            groups.append([word])
    return [(group[0][0], _wrapped([text for _, text in group])) for group in groups]


def _wrapped(words: Sequence[str]) -> list[str]:
    text = " ".join(words)
    if len(text) <= _LINE_LETTERS or len(words) == 1:
        return [text]
    splits = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words))]
    return list(min(splits, key=lambda pair: max(map(len, pair))))


def _placed(
    texts: Iterable[tuple[int, list[str]]], num_rows: int = 1, max_behind_px: float = WIDTH
) -> list[_Label]:
    """Put texts near their times so that none covers another or crosses two pieces.

    Args:
        texts: when, and the lines of it, one under the other.
        num_rows: rows that one text may choose from; for texts of one line.
        max_behind_px: what would stand further behind its time is left out.
    """
    free, placed = [0.0] * num_rows, []
    for time_ms, lines in sorted(texts, key=lambda item: item[0]):
        due = time_ms * _PX_PER_MS + 2
        width = max(map(len, lines)) * _LETTER_PX + 6
        row = next((i for i in range(num_rows) if free[i] <= due), free.index(min(free)))
        x = max(due, free[row])
        seam = (x // WIDTH + 1) * WIDTH
        if x + width > seam and width < WIDTH:
            x = seam - width if seam - width >= free[row] else seam + 2
        if x - due <= max_behind_px:
            placed += [_Label(x, row + i, text) for i, text in enumerate(lines)]
            free[row] = x + width
    return placed


def _runs(
    frames: Iterable[TraceFrame], value: Callable[[TraceFrame], object]
) -> list[tuple[object, Span]]:
    """Frames of equal value as spans; those of None are left out."""
    found: list[tuple[object, Span]] = []
    for frame in frames:
        now, end_ms = value(frame), frame.time_ms + FRAME_MS
        if now is None:
            continue
        if found and found[-1][0] == now and found[-1][1].end_ms == frame.time_ms:
            found[-1] = (now, Span(found[-1][1].start_ms, end_ms))
        else:
            found.append((now, Span(frame.time_ms, end_ms)))
    return found


def _is_wanted(event: Event) -> bool:
    return _WANTED.get(event.kind) == event.outcome


def _mark_ms(event: Event) -> int:
    """Where an event is to be seen: a turn where it ends, all others where they begin."""
    return event.end_ms if event.kind == "turn" else event.start_ms


def _mark_text(event: Event) -> str:
    """What stands at an event; nothing where nothing happened."""
    name = event.kind.replace("_", " ")
    sign = "✓ " if _is_wanted(event) else "× "
    if event.kind == "turn":
        if event.offset_ms is not None:
            return f"{sign}answer {seconds(event.offset_ms)}"
        return sign + ("answered too early" if event.outcome == "early" else "no answer")
    if event.kind == "pause":
        return sign + f"pause {event.outcome}"
    if event.kind == "floor":
        return "" if event.outcome == "kept" else "× cut in"
    if event.kind == "stuck":
        return f"× stuck {seconds(event.end_ms - event.start_ms)}"
    if event.kind == "backchannel":
        return "✓ agent backchannel"
    if event.outcome == "not_exercised":
        return ""
    stop = f", stop {seconds(event.stop_ms)}" if event.kind == "interruption" else ""
    return f"{sign}{name}: {event.outcome}{stop}"
