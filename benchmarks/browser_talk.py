"""Scripted scenes in a browser's call: one microphone of many scenes, and what came of each.

Every time is one of the recording made in the browser, where the scene is found by its own sound:
the network, the gateway and both jitter buffers lie between what is compared. The microphone is
recorded as the page sends it, after the browser's echo canceller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from browser_call import BrowserCall, find
from peer_voices import peer_or_speaker

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.errors import ConfigError
from voiceagent.scenes import (
    AGENT_VOICE,
    Event,
    Expected,
    Line,
    Rendered,
    Scene,
    Script,
    make_script,
    render,
)
from voiceagent.scenes.domain import Turn
from voiceagent.serving.playback import SILENCE_MS, SILENT_BELOW_DBFS

# the connection stands before the first word, and the last answer may be late
LEAD_MS, TRAIL_MS = 1500, 2000
# from the last scripted sound of a scene to the next scene: the live answer is a little later
TAIL_MS = 1200

_LEAD_IN_MS = 600
_ANSWER_GAP_MS = 400
_PER_MS = SAMPLE_RATE_HZ // 1000
_AUDIBLE = 10 ** (SILENT_BELOW_DBFS / 20)
_SLACK_MS = 1000
# a voice that went through the browser is 0.6 to 0.9 like itself, anything else below 0.1
_LEAST_MATCH = 0.3


@dataclass(frozen=True, slots=True, eq=False)
class Talk:
    """One scene of a call; times are in ms from the scene's start, as in its annotation.

    Attributes:
        scene: what was scripted.
        agent: its sound in the browser until the next scene or the call's end, f32[N] at 24 kHz.
        begin_ms: where the scene lies in the recording.
        match: how like the scene's sound the microphone's recording is, 0 to 1.
        call: of which it is a part.
    """

    scene: Scene
    agent: Samples
    begin_ms: int
    match: float
    call: BrowserCall

    @property
    def question(self) -> Event:
        """What the user asked first."""
        return self.scene.of_kind("question")[0]

    @property
    def answer(self) -> str:
        """What the agent ought to say to it."""
        return self.scene.expected.answers[0]

    def shown(self, side: str, end_ms: int | None = None) -> str:
        """Return what the page showed of a side, up to a time or for as long as `agent` is."""
        end_ms = self._num_ms if end_ms is None else end_ms
        return self.call.shown_text(side, self.begin_ms, self.begin_ms + end_ms)

    def audible_from_ms(self, after_ms: int = 0) -> int | None:
        """Return the agent's first sample above `SILENT_BELOW_DBFS` from a time on."""
        loud = self._loud_ms(after_ms)
        return int(loud[0]) if len(loud) else None

    def silent_from_ms(self, after_ms: int) -> int:
        """Return when the agent has fallen silent for `SILENCE_MS`, or to the end."""
        loud = self._loud_ms(after_ms)
        edges = np.concatenate(([after_ms - 1], loud, [self._num_ms + SILENCE_MS + 1]))
        pauses = np.flatnonzero(np.diff(edges) > SILENCE_MS)
        return int(edges[pauses[0]]) + 1

    def is_answering(self, at_ms: int) -> bool:
        """Whether the agent is in the middle of the scripted answer."""
        sound_ms = self.audible_from_ms(at_ms - SILENCE_MS)
        shown = self.shown("agent", at_ms)
        is_right = shown != "" and self.answer.startswith(shown)
        return is_right and sound_ms is not None and sound_ms < at_ms

    @property
    def _num_ms(self) -> int:
        return len(self.agent) // _PER_MS

    def _loud_ms(self, after_ms: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        peaks = np.abs(self.agent).reshape(-1, _PER_MS).max(axis=1)
        loud = np.flatnonzero(peaks >= _AUDIBLE)
        return loud[loud >= after_ms]


def question(turn: Turn, voice: str, seed: int) -> Rendered:
    """One question, with room for its answer."""
    asked = Line(
        kind="question",
        channel="user",
        speaker=voice,
        text=turn.user_text,
        offset_ms=_LEAD_IN_MS,
        addressed=True,
    )
    answer = Line(
        kind="answer",
        channel="agent",
        speaker=AGENT_VOICE,
        text=turn.agent_text,
        offset_ms=_ANSWER_GAP_MS,
        after=0,
    )
    script = Script(
        id=f"question-{seed}",
        scene_class="question",
        seed=seed,
        lines=(asked, answer),
        expected=Expected(answers=(turn.agent_text,)),
        tail_ms=TAIL_MS,
    )
    return render(script, peer_or_speaker)


def interruption(seed: int, voice: str) -> Rendered:
    """A question, and another one about a second into its answer."""
    return render(
        replace(make_script("interruption", seed, voice=voice), tail_ms=TAIL_MS), peer_or_speaker
    )


def uh_huh(seed: int, voice: str) -> Rendered:
    """A question, and "uh huh" about a second into its answer."""
    script = make_script("backchannel", seed, voice=voice)
    lines = tuple(
        replace(line, text="uh huh") if line.kind == "backchannel" else line
        for line in script.lines
    )
    return render(replace(script, lines=lines, tail_ms=TAIL_MS), peer_or_speaker)


def microphone(scenes: Sequence[Rendered]) -> Samples:
    """Return the scenes' user channels one after another, between `LEAD_MS` and `TRAIL_MS`."""
    lead, trail = (np.zeros(ms * _PER_MS, np.float32) for ms in (LEAD_MS, TRAIL_MS))
    return np.concatenate([lead, *(scene.user for scene in scenes), trail])


def take_apart(call: BrowserCall, scenes: Sequence[Rendered]) -> list[Talk]:
    """Return the scenes of a call whose microphone was `microphone(scenes)`.

    Raises:
        ConfigError: a scene is not to be found in what the browser recorded.
    """
    found: list[tuple[int, float]] = []
    near_ms = LEAD_MS
    for rendered in scenes:
        found.append(find(rendered.user, call.microphone, near_ms, _SLACK_MS))
        begin_ms, match = found[-1]
        if match < _LEAST_MATCH:
            raise ConfigError(
                f"{rendered.scene.id}: the browser did not record its microphone near "
                f"{near_ms / 1000:.1f} s (likeness {match:.2f})"
            )
        near_ms = begin_ms + rendered.scene.duration_ms
    ends_ms = [*(begin_ms for begin_ms, _ in found[1:]), len(call.agent) // _PER_MS]
    return [
        Talk(
            rendered.scene, call.agent[begin_ms * _PER_MS : end_ms * _PER_MS], begin_ms, match, call
        )
        for rendered, (begin_ms, match), end_ms in zip(scenes, found, ends_ms, strict=True)
    ]
