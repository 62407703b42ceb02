"""From one observation to what the policy remembers: run lengths, loudness, whose speech it is.

`notice` only counts and compares; what follows from it is `policy`'s work.
"""

from __future__ import annotations

import dataclasses
import math

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.types import Observation, State, Text, TurnState

#: States in which speech of the user is an overlap.
OVERLAPPING = frozenset({State.SPEAK, State.OVERLAP})
#: States in which the model can be kept from starting.
HELD = frozenset({State.LISTEN, State.USER_PAUSE})
#: Counters stop here; every threshold is lower.
FOREVER_FRAMES = 10_000


def notice(config: TurnConfig, before: TurnState, seen: Observation) -> TurnState:
    """Bring the memory up to this frame; the state itself stays.

    Args:
        config: thresholds.
        before: after the last frame.
        seen: this frame.
    """
    is_echo = _is_echo(config, before, seen)
    is_speech = not is_echo and _is_speech(config, before, seen)
    near_dbfs = _near_dbfs(config, before, seen) if is_speech else before.near_dbfs
    near_frames = _near_frames(config, before, seen) if is_speech else 0
    is_far = is_speech and near_frames < config.near_frames
    # at the frame that shows whose speech it is, those before it count too
    new_frames = 0 if not is_speech or is_far else near_frames if before.is_far else 1
    is_audible = is_agent_audible(config, seen)
    is_onset = is_speech and not is_far and not before.is_speech
    # a crackle now and another later make no turn
    is_stale = before.state is State.LISTEN and before.silence_frames > config.pause_max_frames
    turn_frames, turn_words = (0, 0) if is_stale else (before.turn_frames, before.turn_words)
    is_word = seen.heard is not None and not before.is_far
    return dataclasses.replace(
        before,
        frame=seen.frame,
        frames_in_state=_count(before.frames_in_state),
        is_speech=is_speech,
        speech_frames=_count(before.speech_frames) if is_speech else 0,
        silence_frames=0 if is_speech else _count(before.silence_frames),
        turn_frames=turn_frames + new_frames,
        turn_words=turn_words + is_word,
        near_dbfs=near_dbfs,
        near_frames=near_frames,
        is_far=is_far,
        is_faint=_is_faint(config, before, seen),
        is_echo=is_echo,
        p_eot=_p_eot(before, seen) if not is_speech else None,
        wanted_frames=0 if is_onset else _wanted_frames(config, before, seen),
        has_claim=before.has_claim or _is_claim(config, before, seen),
        quiet_frames=0 if is_audible else _count(before.quiet_frames),
        since_begun_frames=_count(before.since_begun_frames),
        since_backchannel_frames=_count(before.since_backchannel_frames),
        backchannel_words=before.backchannel_words + _is_backchannel_word(before, seen),
    )


def is_agent_audible(config: TurnConfig, seen: Observation) -> bool:
    """Whether the agent said a word or made a sound in the last step."""
    return seen.text is Text.WORD or seen.agent_dbfs >= config.agent_speech_dbfs


def p_turn_end(config: TurnConfig, state: TurnState, seen: Observation) -> float:
    """Evidence that the user's turn is over: the detector's and the model's, by trust."""
    p_eot = state.p_eot if state.p_eot is not None else 0.0
    evidence = config.model_trust * seen.p_epad + (1 - config.model_trust) * p_eot
    return evidence if math.isfinite(evidence) else 0.0


def is_turn(config: TurnConfig, state: TurnState) -> bool:
    """Whether what the user said since the agent's last turn wants an answer."""
    has_words = state.turn_words > 0 or not config.needs_words
    return state.turn_frames >= config.min_turn_frames and has_words


def unplayed_frames(seen: Observation) -> int:
    """Frames of the agent that the user has yet to hear."""
    return min(max(seen.generated_frames - seen.heard_frames, 0), 25)


def _is_echo(config: TurnConfig, before: TurnState, seen: Observation) -> bool:
    is_loud = before.near_dbfs is not None and not _is_faint(config, before, seen)
    return seen.echo >= (config.loud_echo_above if is_loud else config.echo_above)


def _is_speech(config: TurnConfig, before: TurnState, seen: Observation) -> bool:
    threshold = config.silence_below_p if before.is_speech else config.speech_above_p
    return seen.p_user >= threshold


def _near_dbfs(config: TurnConfig, before: TurnState, seen: Observation) -> float | None:
    """Loudness of whoever talks to the agent: learned while it listens, never in an overlap."""
    if before.state in OVERLAPPING or before.is_far or not math.isfinite(seen.level_dbfs):
        return before.near_dbfs
    if before.near_dbfs is None:
        return seen.level_dbfs
    rise_db = seen.level_dbfs - before.near_dbfs
    return before.near_dbfs + rise_db * (config.near_attack if rise_db > 0 else config.near_release)


def _is_faint(config: TurnConfig, before: TurnState, seen: Observation) -> bool:
    """Fainter than the user who talks to the agent."""
    return before.near_dbfs is not None and (
        seen.level_dbfs < before.near_dbfs - config.far_below_db
    )


def _near_frames(config: TurnConfig, before: TurnState, seen: Observation) -> int:
    """How many frames of this run of speech were loud enough to be the user's.

    A run begun over the agent's speech is far until enough of them were; one peak does not do, and
    words may fade out. A run begun while nobody spoke is the user's.
    """
    is_users = not before.is_speech and before.state not in OVERLAPPING
    if is_users or before.near_dbfs is None:
        return config.near_frames
    return min(before.near_frames + (not _is_faint(config, before, seen)), config.near_frames)


def _p_eot(before: TurnState, seen: Observation) -> float | None:
    return seen.p_eot if seen.p_eot is not None else before.p_eot


def _wanted_frames(config: TurnConfig, before: TurnState, seen: Observation) -> int:
    """How long ago the model wanted to start and was held."""
    if before.state not in HELD:
        return 0
    is_wanted = seen.p_epad > seen.p_pad and seen.text is Text.PAD
    return _count(before.wanted_frames) if is_wanted or before.wanted_frames else 0


def _is_claim(config: TurnConfig, before: TurnState, seen: Observation) -> bool:
    is_over = before.state in OVERLAPPING or before.state is State.YIELD
    if seen.heard is None or before.is_far or not is_over:
        return False
    return not set(seen.heard.lower().split()) <= set(config.backchannel_words)


def _is_backchannel_word(before: TurnState, seen: Observation) -> bool:
    return before.state is State.AGENT_BC and seen.text is Text.WORD


def _count(frames: int) -> int:
    return min(frames + 1, FOREVER_FRAMES)
