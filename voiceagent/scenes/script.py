"""Scripts of conversations: who says what, and when relative to what else.

A script holds no audio and no absolute time: a line starts so many milliseconds after another line
ends, and how long a line lasts only its speaker knows. `render` gives both. Everything is
drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from voiceagent.errors import ConfigError
from voiceagent.scenes.channel import Conditions
from voiceagent.scenes.domain import (
    BACKCHANNELS,
    Turn,
    sample_in_domain_turn,
    sample_turn,
    turn_for,
)
from voiceagent.scenes.out_of_domain import BACKGROUND_SPEECH, SIDE_TALK
from voiceagent.scenes.scene import SCENE_CLASSES, SESSION, Expected
from voiceagent.scenes.seeds import child_rng, draw_seed, pick
from voiceagent.scenes.speakers import AGENT_VOICE, random_speaker

PAUSE_MS = (300, 800)
ANSWER_GAP_MS = (280, 400)
# from the end of the question to what overlaps its answer: about a second into the answer
OVERLAP_AFTER_MS = (1200, 1400)
WORDLESS_DURATION_MS = 10_000

_FIRST_MS = (400, 800)
SIDE_TALK_DB = (-12.0, -6.0)
BACKGROUND_DB = (-25.0, -15.0)
_NOISE_DBFS = (-60.0, -34.0)
_LONG_ANSWER_INTENT = "help"

# what is said before and after the pause: what comes first could be all, or could not
COMPLETE_SPLITS = (
    ("what is {a} plus {b}", "please"),
    ("when do you open", "on {day}"),
    ("are you open", "on {day}"),
    ("what are your hours", "on {day}"),
    ("how are you", "today"),
    ("thank you", "very much"),
)
_OPEN_SPLITS = (
    ("what is {a}", "plus {b}"),
    ("how much is", "{a} plus {b}"),
    ("add {a} and", "{b}"),
    ("when do you open on", "{day}"),
    ("what are your", "hours on {day}"),
    ("my name is", "{name}"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Something that is said.

    Attributes:
        kind: of the event it becomes; see `scene.EVENT_KINDS`.
        channel: see `scene.CHANNELS`.
        speaker: id for `speakers.speaker`.
        text: words separated by spaces.
        offset_ms: from the end of line `after` to the first sound.
        after: index of an earlier line; None is the start of the scene.
        cuts: index of the answer that falls silent because of this line.
        addressed: whether it wants an answer.
        gain_db: against the user's addressed speech.
        place: "near" the microphone, "turned" away from it, or "far" across the room.
        take: which rendering of the text; see `speakers.Speaker.say`.
        part: first word of the text to be heard, and the word before which it ends; None is all.
        request: what the agent asks somebody else for before it says this; `domain.REQUESTS`.
    """

    kind: str
    channel: str
    speaker: str
    text: str
    offset_ms: int
    after: int | None = None
    cuts: int | None = None
    addressed: bool = False
    gain_db: float = 0.0
    place: str = "near"
    take: int = 0
    part: tuple[int, int] | None = None
    request: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A conversation to be rendered.

    Attributes:
        id: of the scene it becomes.
        scene_class: see `scene.SCENE_CLASSES`.
        seed: of everything that is drawn.
        lines: an anchor or cut line stands before the line that names it.
        expected: what a good agent does.
        conditions: of the user channel.
        min_duration_ms: the scene lasts at least so long.
        tail_ms: from the last sound to the end: time for a slow agent.
    """

    id: str
    scene_class: str
    seed: int
    lines: tuple[Line, ...]
    expected: Expected
    conditions: Conditions = field(default_factory=Conditions)
    min_duration_ms: int = 0
    tail_ms: int = 2000

    def __post_init__(self) -> None:
        """Check the references between lines.

        Raises:
            ValueError: a line refers to itself or to a later one.
        """
        for i, line in enumerate(self.lines):
            for name, target in (("after", line.after), ("cuts", line.cuts)):
                if target is not None and not 0 <= target < i:
                    raise ValueError(f"lines: {name} of line {i} is {target}, not an earlier line")


def make_script(
    scene_class: str,
    seed: int,
    *,
    voice: str | None = None,
    conditions: Conditions | None = None,
) -> Script:
    """Write the script of one scene.

    Args:
        scene_class: one of `scene.SCENE_CLASSES`.
        seed: zero or more; the same arguments give the same script.
        voice: id of the user's speaker; None makes one up.
        conditions: of the user channel; None is those usual for the class.

    Raises:
        ConfigError: there is no such class.
    """
    if scene_class not in SCENE_CLASSES:
        raise ConfigError(
            f"there is no scene class {scene_class!r}; there are: {', '.join(SCENE_CLASSES)}"
        )
    rng = child_rng(seed, "script", scene_class)
    made_up = random_speaker(rng).id  # drawn in any case, so that `voice` changes nothing else
    wordless = scene_class not in _WRITERS
    lines, expected = ((), Expected()) if wordless else _WRITERS[scene_class](rng, voice or made_up)
    return Script(
        id=_scene_id(scene_class, seed, voice),
        scene_class=scene_class,
        seed=seed,
        lines=lines,
        expected=expected,
        conditions=conditions or _usual_conditions(scene_class, rng),
        min_duration_ms=WORDLESS_DURATION_MS if wordless else 0,
    )


def make_session(
    seed: int,
    num_turns: int = 20,
    *,
    voice: str | None = None,
    gap_ms: tuple[int, int] = (5400, 6400),
    conditions: Conditions | None = None,
) -> Script:
    """Write one long call of in-domain questions, each after the answer to the one before.

    Args:
        seed: zero or more; the same arguments give the same script.
        num_turns: how many; 20 take about three minutes.
        voice: id of the user's speaker; None makes one up.
        gap_ms: shortest and longest time from the end of a scripted answer to the next question.
        conditions: of the user channel.
    """
    rng = child_rng(seed, "script", SESSION)
    made_up = random_speaker(rng).id
    lines: list[Line] = []
    for _ in range(num_turns):
        turn = sample_in_domain_turn(rng)
        offset_ms = _between(rng, gap_ms if lines else _FIRST_MS)
        after = len(lines) - 1 if lines else None
        lines.append(_question(turn.user_text, voice or made_up, offset_ms, after=after))
        lines.append(_answer(rng, turn, after=len(lines) - 1))
    return Script(
        id=_scene_id(f"{SESSION}-{num_turns}", seed, voice),
        scene_class=SESSION,
        seed=seed,
        lines=tuple(lines),
        expected=Expected(answers=tuple(line.text for line in lines[1::2])),
        conditions=conditions or Conditions(),
    )


def _write_question(rng: np.random.Generator, user: str) -> tuple[tuple[Line, ...], Expected]:
    return _exchange(rng, user, sample_in_domain_turn(rng))


def _write_pause(rng: np.random.Generator, user: str) -> tuple[tuple[Line, ...], Expected]:
    splits = COMPLETE_SPLITS if rng.random() < 0.5 else _OPEN_SPLITS
    first, rest = fill_split(rng, pick(rng, splits))
    turn = turn_for(f"{first} {rest}")
    part = Line(
        kind="part",
        channel="user",
        speaker=user,
        text=first,
        offset_ms=_between(rng, _FIRST_MS),
        addressed=True,
    )
    question = _question(rest, user, _between(rng, PAUSE_MS), after=0)
    lines = (part, question, _answer(rng, turn, after=1))
    return lines, Expected(answers=(turn.agent_text,))


def _write_interruption(rng: np.random.Generator, user: str) -> tuple[tuple[Line, ...], Expected]:
    lines, _ = _exchange(rng, user, sample_turn(rng, _LONG_ANSWER_INTENT))
    second = sample_turn(rng, "add")
    interruption = Line(
        kind="interruption",
        channel="user",
        speaker=user,
        text=second.user_text,
        offset_ms=_between(rng, OVERLAP_AFTER_MS),
        after=0,
        cuts=1,
        addressed=True,
    )
    answers = (lines[1].text, second.agent_text)
    lines = (*lines, interruption, _answer(rng, second, after=2))
    return lines, Expected(answers=answers, on_overlap="yield")


def _write_backchannel(rng: np.random.Generator, user: str) -> tuple[tuple[Line, ...], Expected]:
    return _overlapped(rng, user, "backchannel", pick(rng, BACKCHANNELS))


def _write_talk_to_others(rng: np.random.Generator, user: str) -> tuple[tuple[Line, ...], Expected]:
    text, gain_db = pick(rng, SIDE_TALK), float(rng.uniform(*SIDE_TALK_DB))
    return _overlapped(rng, user, "side_talk", text, gain_db=gain_db, place="turned")


def _write_background_speech(
    rng: np.random.Generator, user: str
) -> tuple[tuple[Line, ...], Expected]:
    text, gain_db = pick(rng, BACKGROUND_SPEECH), float(rng.uniform(*BACKGROUND_DB))
    other = random_speaker(rng).id
    return _overlapped(rng, user, "background", text, speaker=other, gain_db=gain_db, place="far")


_Writer = Callable[[np.random.Generator, str], tuple[tuple[Line, ...], Expected]]
_WRITERS: dict[str, _Writer] = {
    "question": _write_question,
    "pause": _write_pause,
    "interruption": _write_interruption,
    "backchannel": _write_backchannel,
    "talk_to_others": _write_talk_to_others,
    "background_speech": _write_background_speech,
}


def _exchange(rng: np.random.Generator, user: str, turn: Turn) -> tuple[tuple[Line, ...], Expected]:
    question = _question(turn.user_text, user, _between(rng, _FIRST_MS))
    return (question, _answer(rng, turn, after=0)), Expected(answers=(turn.agent_text,))


def _overlapped(
    rng: np.random.Generator,
    user: str,
    kind: str,
    text: str,
    *,
    speaker: str | None = None,
    gain_db: float = 0.0,
    place: str = "near",
) -> tuple[tuple[Line, ...], Expected]:
    """A long answer, and something during it that is no reason to stop."""
    lines, expected = _exchange(rng, user, sample_turn(rng, _LONG_ANSWER_INTENT))
    overlap = Line(
        kind=kind,
        channel="user" if speaker is None else "background",
        speaker=speaker or user,
        text=text,
        offset_ms=_between(rng, OVERLAP_AFTER_MS),
        after=0,
        gain_db=gain_db,
        place=place,
    )
    return (*lines, overlap), Expected(answers=expected.answers, on_overlap="finish")


def _question(text: str, user: str, offset_ms: int, after: int | None = None) -> Line:
    return Line(
        kind="question",
        channel="user",
        speaker=user,
        text=text,
        offset_ms=offset_ms,
        after=after,
        addressed=True,
    )


def _answer(rng: np.random.Generator, turn: Turn, after: int) -> Line:
    return Line(
        kind="answer",
        channel="agent",
        speaker=AGENT_VOICE,
        text=turn.agent_text,
        offset_ms=_between(rng, ANSWER_GAP_MS),
        after=after,
        take=draw_seed(rng),
    )


def fill_split(rng: np.random.Generator, split: tuple[str, str]) -> tuple[str, str]:
    """Fill both halves of a question with the words of one turn."""
    left, _, right = sample_turn(rng, "add").agent_text.partition(" plus ")
    words = {
        "a": left,
        "b": right.partition(" is ")[0],
        "day": sample_turn(rng, "open").user_text.split()[-1],
        "name": sample_turn(rng, "name").user_text.split()[-1],
    }
    return split[0].format(**words), split[1].format(**words)


def _usual_conditions(scene_class: str, rng: np.random.Generator) -> Conditions:
    if scene_class == "silence":
        return Conditions(has_floor=False)
    if scene_class == "noise":
        return Conditions(
            noise_dbfs=float(rng.uniform(*_NOISE_DBFS)), is_babble=bool(rng.random() < 0.25)
        )
    return Conditions()


def _between(rng: np.random.Generator, span_ms: tuple[int, int]) -> int:
    return int(rng.integers(span_ms[0], span_ms[1] + 1))


def _scene_id(name: str, seed: int, voice: str | None) -> str:
    plain = "" if voice is None else "-" + voice.replace(":", "-").replace("+", "-")
    return f"{name}-{seed}{plain}"
