"""What is done in each state: biases, forced tokens, gate, sound. One function per state.

Where the policy is, is decided already (`policy`). A bias grows with what the model is not trusted
with (`TurnConfig.model_trust`); gates, rewinding and sound do not depend on it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.evidence import p_turn_end
from voiceagent.turntaking.types import (
    Audio,
    Decision,
    Event,
    Forced,
    Observation,
    Reason,
    State,
    Text,
    TurnState,
)

# the first word is seen a frame after its step; before it there are EPAD and perhaps a request
_FROM_EPAD_FRAMES = 3
_OUT_OF_HAND = (Event.LOOP, Event.MONOLOGUE)


def act(
    config: TurnConfig,
    now: TurnState,
    seen: Observation,
    reason: Reason,
    left_after_frames: int,
) -> Decision:
    """Decide what is done in this frame.

    Args:
        config: thresholds.
        now: with the state already entered.
        seen: this frame.
        reason: of the transition, or STAY.
        left_after_frames: how long the state before had lasted.
    """
    if reason is Reason.AGENT_WITHDRAWS:
        decision = _withdraw(now)
    else:
        decision = _ACT[now.state](config, now, seen)
    is_gated = decision.is_gated or (config.is_gating and _is_not_for_agent(now))
    rewind_frames = 0 if is_gated else _wrongly_gated_frames(config, now, seen)
    unheard_frames = _unheard_frames(config, now, seen, reason, left_after_frames)
    is_resume = unheard_frames is not None
    return dataclasses.replace(
        decision,
        reason=reason,
        generation=now.generation,
        is_gated=is_gated,
        rewind_frames=rewind_frames if unheard_frames is None else unheard_frames,
        is_replayed=rewind_frames > 0 and not is_resume,
        is_resume=is_resume,
    )


def _is_not_for_agent(now: TurnState) -> bool:
    """Far speech, echo, and any faint sound while the agent speaks: not all speech is detected."""
    is_faint = now.state is State.SPEAK and now.is_faint and not now.is_speech
    return now.is_far or now.is_echo or is_faint


def _wrongly_gated_frames(config: TurnConfig, now: TurnState, seen: Observation) -> int:
    """How much of the user's speech, now known to be for the agent, was kept from the model."""
    if not now.is_speech:
        return 0
    return max(0, min(now.gated_frames, config.rewind_max_frames, seen.rewind_room_frames))


def _unheard_frames(
    config: TurnConfig, now: TurnState, seen: Observation, reason: Reason, left_after_frames: int
) -> int | None:
    """How far back the agent was last heard, as far as the model can go; None if it goes on."""
    if reason is Reason.FALSE_INTERRUPTION:
        unheard_frames = left_after_frames + now.hushed_frames + now.unheard_frames
    elif reason in (Reason.BACKCHANNEL, Reason.NOT_ADDRESSED) and now.hushed_frames:
        unheard_frames = now.hushed_frames + now.unheard_frames
    else:
        return None
    return min(unheard_frames, config.resume_max_frames, seen.rewind_room_frames)


def _hold(state: State, nats: float, forced: Forced = Forced.NONE) -> Decision:
    """Lean towards silence, or away from it."""
    return Decision(
        state=state,
        reason=Reason.STAY,
        pad_bias_nats=nats,
        epad_bias_nats=-nats,
        forced_text=forced,
    )


def _start(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    return _hold(State.START, 0.0, Forced.PAD if config.model_trust < 1 else Forced.NONE)


def _listen(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    forced = Forced.PAD if config.is_patient else Forced.NONE
    return _hold(State.LISTEN, config.listen_hold_nats * (1 - config.model_trust), forced)


def _user_pause(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    """Hold as long as the evidence is against an end, less and less with the silence."""
    doubt = 1 / (
        1
        + math.exp(
            config.turn_end_slope * (p_turn_end(config, now, seen) - config.turn_end_above_p)
        )
    )
    fresh = max(0.0, 1 - now.silence_frames / config.hold_max_frames)
    nats = config.pause_hold_nats * (1 - config.model_trust) * doubt * fresh
    return _hold(State.USER_PAUSE, nats, Forced.PAD if config.is_patient else Forced.NONE)


def _take(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    """Make the agent start: at once if it was held, else when it did not by itself.

    After an EPAD the word comes of its own accord.
    """
    if seen.text is Text.EPAD:
        return _hold(State.TAKE, 0.0)
    is_held = now.wanted_frames > 0 or now.is_withdrawn
    is_due = is_held or now.frames_in_state >= config.take_force_frames
    return _hold(State.TAKE, -config.take_lift_nats, Forced.EPAD if is_due else Forced.NONE)


def _withdraw(now: TurnState) -> Decision:
    """Fade out, and let the model's turn never have been."""
    return dataclasses.replace(
        _hold(State.LISTEN, 0.0, Forced.PAD),
        audio=Audio.FADE,
        is_flush=True,
        trim_from_frame=max(0, now.frame - now.since_begun_frames - _FROM_EPAD_FRAMES),
    )


def _speak(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    return _hold(State.SPEAK, 0.0)


def _overlap(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    if now.hushed_frames:
        return _hushed(now)
    is_ducked = not now.is_far and now.turn_frames > config.duck_after_frames
    return _ducked(config, _hold(State.OVERLAP, 0.0)) if is_ducked else _hold(State.OVERLAP, 0.0)


def _hushed(now: TurnState) -> Decision:
    """Not heard, though the model speaks on: it may be a backchannel."""
    is_first = now.hushed_frames == 1
    return dataclasses.replace(
        _hold(State.OVERLAP, 0.0), audio=Audio.FADE if is_first else Audio.MUTE, is_flush=is_first
    )


def _yield(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    decision = _silenced(State.YIELD, now, seen)
    if not decision.is_flush or not now.hushed_frames:
        return decision
    last_heard_frame = now.frame - now.hushed_frames - now.unheard_frames
    return dataclasses.replace(decision, trim_from_frame=max(0, last_heard_frame))


def _agent_bc(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    is_said = now.backchannel_words >= config.backchannel_max_words
    is_over = is_said or now.frames_in_state >= config.backchannel_lift_frames
    return _ducked(config, _hold(State.AGENT_BC, 0.0, Forced.PAD if is_over else Forced.NONE))


def _stuck(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    if now.watchdog in _OUT_OF_HAND:
        decision = _silenced(State.STUCK, now, seen)
    else:
        is_first = now.watchdog is Event.NO_ANSWER and now.frames_in_state == 0
        is_due = is_first and seen.text is not Text.EPAD
        decision = _hold(State.STUCK, 0.0, Forced.EPAD if is_due else Forced.NONE)
    return dataclasses.replace(decision, events=_stuck_events(config, now))


def _stuck_events(config: TurnConfig, now: TurnState) -> tuple[Event, ...]:
    if now.frames_in_state == 0 and now.watchdog is not None:
        return (now.watchdog,)
    if now.watchdog is Event.NO_ANSWER and now.frames_in_state == config.stuck_check_frames:
        return (Event.PRESENCE_CHECK,)
    is_last = now.frames_in_state == config.stuck_max_frames - 1
    if is_last and now.watchdog in (Event.NO_ANSWER, Event.LOOP):
        return (Event.RESET_CONTEXT,)
    return ()


def _ended(config: TurnConfig, now: TurnState, seen: Observation) -> Decision:
    decision = _hold(State.ENDED, 0.0, Forced.PAD)
    return dataclasses.replace(decision, is_gated=True, audio=Audio.MUTE)


def _ducked(config: TurnConfig, decision: Decision) -> Decision:
    return dataclasses.replace(decision, audio=Audio.DUCK, gain_db=config.duck_db)


def _silenced(state: State, now: TurnState, seen: Observation) -> Decision:
    """The agent falls silent: fade and void what is under way, then stay so."""
    decision = _hold(state, 0.0, Forced.PAD)
    if now.frames_in_state:
        return dataclasses.replace(decision, audio=Audio.MUTE)
    return dataclasses.replace(
        decision, audio=Audio.FADE, is_flush=True, trim_from_frame=seen.heard_frames
    )


_ACT: dict[State, Callable[[TurnConfig, TurnState, Observation], Decision]] = {
    State.START: _start,
    State.LISTEN: _listen,
    State.USER_PAUSE: _user_pause,
    State.TAKE: _take,
    State.SPEAK: _speak,
    State.OVERLAP: _overlap,
    State.YIELD: _yield,
    State.AGENT_BC: _agent_bc,
    State.STUCK: _stuck,
    State.ENDED: _ended,
}
