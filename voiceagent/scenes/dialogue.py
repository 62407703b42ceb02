"""Scripts of whole calls in which everything happens: what the embedded model is trained on.

Questions of the domain and outside it, answered after a gap that an outside controller may have
stretched; pauses, hesitations and long preambles; interruptions, backchannels of both sides, talk
to others, background speech, and answers that fall silent by mistake and go on. `script` has the
scenes of one event each; like there, no audio and no absolute time.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from voiceagent.scenes.channel import Conditions
from voiceagent.scenes.domain import (
    AGENT_BACKCHANNEL,
    BACKCHANNELS,
    Turn,
    sample_turn,
)
from voiceagent.scenes.out_of_domain import (
    BACKGROUND_SPEECH,
    PREAMBLES,
    SIDE_TALK,
    sample_out_of_domain,
)
from voiceagent.scenes.scene import DIALOGUE, Expected
from voiceagent.scenes.script import BACKGROUND_DB, SIDE_TALK_DB, Line, Script
from voiceagent.scenes.seeds import child_rng, draw_seed, pick
from voiceagent.scenes.speakers import AGENT_VOICE, random_speaker

_GAP_MS, _HELD_MS = (240, 340), (340, 2500)
_MURMUR_GAP_MS = (160, 260)
_FIRST_MS, _NEXT_MS, _LATE_MS = (200, 1200), (300, 1600), (2000, 5000)
_PAUSE_MS, _HESITATION_MS = (300, 900), (20, 220)
# from the onset of what overlaps a sentence to where the sentence stops by mistake
_STOPPED_MS, _RESUMED_MS = (280, 420), (300, 1200)
# an answer of fewer words is over before anybody can talk into it
_LONG_WORDS, _WORD_MS = 4, 240
_EDGE_MS = 450

_WORDLESS_SHARE, _UNADDRESSED_SHARE = 0.05, 0.06
_SHARES_BEFORE = {"pause": 0.2, "hesitation": 0.15, "preamble": 0.1}
_SHARES_DURING = {
    "interruption": 0.13,
    "backchannel": 0.12,
    "side_talk": 0.07,
    "background": 0.06,
    "resumed": 0.06,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueShares:
    """How often things happen that not every use wants.

    Attributes:
        held: of the answers, those that come later than by themselves.
        two_voices: of the hesitating turns, those spoken by two people.
        new_voice: of the turns, those in which somebody else goes on.
    """

    held: float = 0.25
    two_voices: float = 0.2
    new_voice: float = 0.06


def make_dialogue(
    seed: int,
    num_turns: int = 6,
    *,
    voice: str | None = None,
    conditions: Conditions | None = None,
    shares: DialogueShares | None = None,
) -> Script:
    """Write a call.

    Args:
        seed: zero or more; the same arguments give the same script.
        num_turns: how many; six take about half a minute.
        voice: id of the user's speaker throughout; None makes people up.
        conditions: of the user channel.
        shares: how often some things happen.
    """
    rng = child_rng(seed, "script", DIALOGUE)
    writer = _Writer(rng, voice, shares or DialogueShares())
    kind = rng.random()
    if kind < _UNADDRESSED_SHARE:
        for _ in range(num_turns // 2):
            writer.write_unaddressed()
    elif kind > _WORDLESS_SHARE + _UNADDRESSED_SHARE:
        for _ in range(num_turns):
            writer.write_turn()
    return Script(
        id=f"{DIALOGUE}-{seed}",
        scene_class=DIALOGUE,
        seed=seed,
        lines=tuple(writer.lines),
        expected=Expected(answers=tuple(writer.answers)),
        conditions=conditions or Conditions(),
        min_duration_ms=0 if writer.lines else 10_000,
    )


@dataclass
class _Writer:
    """Writes one turn behind another; `after` is the line that the next one follows."""

    rng: np.random.Generator
    voice: str | None
    shares: DialogueShares
    lines: list[Line] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    after: int | None = None
    # of the next question, when it is to break into the answer before: how long before its end
    breaks_in_ms: int | None = None

    def __post_init__(self) -> None:
        self.user = self._somebody()

    def write_turn(self) -> None:
        """A question, its answer, and what happens meanwhile."""
        if self._happens(self.shares.new_voice):
            self.user = self._somebody()
        if self.breaks_in_ms is None and self._happens(0.12):
            self.write_unaddressed()
        turn = self._draw_turn()
        self._ask(turn)
        self.answers.append(turn.agent_text)
        self._answer(turn)

    def write_unaddressed(self) -> None:
        """Something to be heard that is not for the agent, and no answer."""
        self._add(**self._overlap(pick(self.rng, ("backchannel", "side_talk", "background"))))

    def _draw_turn(self) -> Turn:
        turn = sample_turn(self.rng)
        if turn.intent == "repeat" and self.answers:
            return Turn(turn.intent, turn.user_text, self.answers[-1])
        return turn

    def _ask(self, turn: Turn) -> None:
        kind = self._which(_SHARES_BEFORE)
        if kind == "preamble" and self.breaks_in_ms is None:
            self._preamble()
            self._say(turn.user_text, offset_ms=self._between(_PAUSE_MS))
        elif kind == "pause":
            self._ask_with_pause(turn)
        elif kind == "hesitation":
            self._ask_hesitating(turn.user_text.split())
        else:
            self._say(turn.user_text)

    def _preamble(self) -> None:
        """The beginning of a long turn; the agent murmurs that it listens."""
        self._say(pick(self.rng, PREAMBLES), kind="part")
        if self._happens(0.75):
            said = len(self.lines) - 1
            self._add(
                kind="murmur",
                channel="agent",
                speaker=AGENT_VOICE,
                text=AGENT_BACKCHANNEL,
                offset_ms=self._between(_MURMUR_GAP_MS),
                take=draw_seed(self.rng),
            )
            self.after = said if self._happens(0.5) else self.after

    def _ask_with_pause(self, turn: Turn) -> None:
        """Half of the pauses within a sentence spoken as one, half between two sentences."""
        words = turn.user_text.split()
        if len(words) < 2:
            return self._say(turn.user_text)
        middle, pause_ms = int(self.rng.integers(1, len(words))), self._between(_PAUSE_MS)
        take = draw_seed(self.rng)
        if self._happens(0.5):
            self._say(turn.user_text, kind="part", part=(0, middle), take=take)
            return self._say(
                turn.user_text, part=(middle, len(words)), take=take, offset_ms=pause_ms
            )
        self._say(" ".join(words[:middle]), kind="part")
        return self._say(" ".join(words[middle:]), offset_ms=pause_ms)

    def _ask_hesitating(self, words: list[str]) -> None:
        """Word by word or nearly so, now and then by two people."""
        if len(words) < 2:
            return self._say(" ".join(words))
        count = int(self.rng.integers(1, min(4, len(words))))
        cuts = sorted(self.rng.choice(np.arange(1, len(words)), count, replace=False))
        by_two = self.voice is None and self._happens(self.shares.two_voices)
        other = self._somebody()
        bounds = [0, *(int(cut) for cut in cuts), len(words)]
        for i, (start, stop) in enumerate(itertools.pairwise(bounds)):
            self._say(
                " ".join(words[start:stop]),
                kind="question" if stop == len(words) else "part",
                offset_ms=self._between(_HESITATION_MS) if i else None,
                speaker=other if by_two and i % 2 else self.user,
            )
        return None

    def _answer(self, turn: Turn) -> None:
        words = turn.agent_text.split()
        kind = self._which(_SHARES_DURING) if len(words) >= _LONG_WORDS else None
        held = self._happens(self.shares.held)
        gap_ms, take = self._between(_HELD_MS if held else _GAP_MS), draw_seed(self.rng)
        stop = int(self.rng.integers(2, len(words) - 1)) if kind == "resumed" else len(words)
        self._add_answer(turn, gap_ms, take, (0, stop) if kind == "resumed" else None)
        inside_ms = self._between((_EDGE_MS, max(_EDGE_MS + 1, _WORD_MS * len(words) - _EDGE_MS)))
        if kind == "interruption":
            self.breaks_in_ms = inside_ms
        elif kind == "resumed":
            self._add(**self._overlap(offset_ms=-self._between(_STOPPED_MS)))
            self._add_answer(turn, self._between(_RESUMED_MS), take, (stop, len(words)))
        elif kind is not None:
            answer = len(self.lines) - 1
            self._add(**self._overlap(kind, offset_ms=-inside_ms))
            self.after = answer if kind == "backchannel" else self.after

    def _add_answer(self, turn: Turn, gap_ms: int, take: int, part: tuple[int, int] | None) -> None:
        self._add(
            kind="answer",
            channel="agent",
            speaker=AGENT_VOICE,
            text=turn.agent_text,
            offset_ms=gap_ms,
            take=take,
            part=part,
            request=turn.request if part is None or part[0] == 0 else None,
        )

    def _overlap(self, kind: str | None = None, offset_ms: int | None = None) -> dict[str, object]:
        """Fields of a line that is not said to the agent."""
        rng, kind = self.rng, kind or pick(self.rng, ("backchannel", "side_talk", "background"))
        offset_ms = self._between(self._next_ms()) if offset_ms is None else offset_ms
        line: dict[str, object] = {"kind": kind, "channel": "user", "offset_ms": offset_ms}
        if kind == "backchannel":
            return line | {"speaker": self.user, "text": pick(rng, BACKCHANNELS)}
        known = SIDE_TALK if kind == "side_talk" else BACKGROUND_SPEECH
        text = pick(rng, known) if rng.random() < 0.3 else sample_out_of_domain(rng)
        if rng.random() < 0.25:
            text = sample_turn(rng).user_text  # the words alone do not make it the agent's business
        if kind == "side_talk":
            gain_db, place, speaker = rng.uniform(*SIDE_TALK_DB), "turned", self.user
        else:
            gain_db, place, speaker = rng.uniform(*BACKGROUND_DB), "far", random_speaker(rng).id
            line["channel"] = "background"
        return line | {"speaker": speaker, "text": text, "gain_db": gain_db, "place": place}

    def _say(
        self,
        text: str,
        *,
        kind: str = "question",
        offset_ms: int | None = None,
        speaker: str | None = None,
        part: tuple[int, int] | None = None,
        take: int = 0,
    ) -> None:
        cuts = None
        if offset_ms is None and self.breaks_in_ms is not None:
            offset_ms, cuts, self.breaks_in_ms = -self.breaks_in_ms, self.after, None
        self._add(
            kind=kind if cuts is None else "interruption",
            channel="user",
            speaker=speaker or self.user,
            text=text,
            offset_ms=self._between(self._next_ms()) if offset_ms is None else offset_ms,
            cuts=cuts,
            addressed=True,
            part=part,
            take=take,
        )

    def _add(self, **fields: object) -> None:
        self.lines.append(Line(after=self.after, **fields))  # type: ignore[arg-type]
        self.after = len(self.lines) - 1

    def _next_ms(self) -> tuple[int, int]:
        if self.after is None:
            return _FIRST_MS if self._happens(0.8) else _LATE_MS
        return _NEXT_MS if self._happens(0.9) else _LATE_MS

    def _which(self, shares: dict[str, float]) -> str | None:
        """One of the kinds, each with its share, or none."""
        draw = self.rng.random()
        for kind, share in shares.items():
            draw -= share
            if draw < 0:
                return kind
        return None

    def _somebody(self) -> str:
        made_up = random_speaker(self.rng).id
        return self.voice or made_up

    def _happens(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def _between(self, span_ms: tuple[int, int]) -> int:
        return int(self.rng.integers(span_ms[0], span_ms[1] + 1))
