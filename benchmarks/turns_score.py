"""How a scene went: the agent's live sound against the scene's own annotation.

The labels are the script's, so only the agent's side is measured; the definitions of what counts
are those of `voiceagent.records.events`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from voiceagent.audio.framing import FRAME_MS, PACKET_MS, PACKET_SAMPLES
from voiceagent.bench.conversation import scripted
from voiceagent.records.activity import join, spans
from voiceagent.records.axes import Axes, measure
from voiceagent.records.conversation import ANNOTATED, AgentSpeech, Conversation
from voiceagent.records.events import WANTED
from voiceagent.records.labels import AGENT_JOIN_MS, WORD_LAG_MS
from voiceagent.scenes import Scene
from voiceagent.serving.playback import SILENT_BELOW_DBFS, Playback

_OVERLAP_OF = {
    "backchannel": "user_backchannel",
    "talk_to_others": "talking_to_others",
    "background_speech": "background_speech",
}
_PACKETS = FRAME_MS // PACKET_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One scene.

    Attributes:
        is_good: the desired outcome of its class; None where nothing overlapped, since the agent
            did not speak.
        is_right: the agent said what the script expects, and nothing else after it.
        latency_ms: from the user's end to the agent's sound, of the last taken turn; or t_stop of
            an interruption.
    """

    is_good: bool | None
    is_right: bool
    latency_ms: int | None = None


def annotated(
    scene: Scene, agent: Iterable[AgentSpeech], resumed_ms: Sequence[int] = ()
) -> Conversation:
    """A scene's script as labels, with the agent as it spoke live, and when it went on."""
    return Conversation(
        labels=ANNOTATED,
        duration_ms=scene.duration_ms,
        user=tuple(scripted(scene)),
        agent=tuple(agent),
        resumed_ms=tuple(resumed_ms),
    )


def agent_speech(playback: Playback) -> list[AgentSpeech]:
    """The agent's stretches as heard live: a frame later, once the user's was complete."""
    packets = playback.agent.reshape(-1, PACKET_SAMPLES).astype(np.float64)
    loud = np.sqrt(np.mean(np.square(packets), axis=1)) >= 10 ** (SILENT_BELOW_DBFS / 20)
    frames = loud.reshape(-1, _PACKETS).any(1)
    stretches = join(spans(frames, FRAME_MS), AGENT_JOIN_MS)
    said = [(word.time_ms + FRAME_MS, word.text) for word in playback.said]
    return [
        AgentSpeech(
            span,
            " ".join(text for t, text in said if span.start_ms - WORD_LAG_MS <= t < span.end_ms),
        )
        for span in stretches
    ]


def score(scene: Scene, playback: Playback) -> Score:
    """Judge a scene by its class."""
    said, answers = playback.said_text(), scene.expected.answers
    if not answers:
        return Score(is_good=not said, is_right=not said)
    resumed_ms = [time_ms + FRAME_MS for time_ms in playback.resumed_ms]
    axes = measure(annotated(scene, agent_speech(playback), resumed_ms))
    is_right = said.endswith(answers[-1])
    if scene.scene_class == "interruption":
        stops = axes.stops_ms
        is_good = axes.interruptions_honoured.count == 1 if stops else None
        return Score(is_good=is_good, is_right=is_right, latency_ms=stops[0] if stops else None)
    latency_ms = axes.latencies_ms[-1] if axes.latencies_ms else None
    return Score(is_good=_is_good(scene, axes), is_right=is_right, latency_ms=latency_ms)


def _is_good(scene: Scene, axes: Axes) -> bool | None:
    is_taken = axes.turns_taken.count == axes.turns_taken.of > 0
    if scene.scene_class == "pause":
        return is_taken and axes.pauses_held.count == axes.pauses_held.of
    if scene.scene_class not in _OVERLAP_OF:
        return is_taken
    (overlap,) = axes.of_kind(_OVERLAP_OF[scene.scene_class])
    return None if overlap.outcome == "not_exercised" else overlap.outcome == WANTED[overlap.kind]
