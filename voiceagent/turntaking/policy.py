"""Who speaks next: a pure function (state, observation) -> (state, decision), once per frame.

It runs before the model's step, on this frame's sound and the model's outputs of the last step. No
clock, no I/O, no sound: `serving.observe` makes the observations, the engine carries out what is
decided (`actions`). At most one transition per frame, the first of its state that applies. "Speech"
is the user's, if not said otherwise near: as loud as whoever talks to the agent, and no echo.

==========  ===========================================================  ==========
state       is left when                                                 for
==========  ===========================================================  ==========
any         the session ends                                             ENDED
START       the agent says a word (it greets)                            SPEAK
START       speech for onset_frames, or a word understood                LISTEN
START       start_max_frames                                             LISTEN
LISTEN      the agent says a word                                        SPEAK
LISTEN      the model wanted to start, patience_frames ago               TAKE
LISTEN      silence, after speech of min_turn_frames                     USER_PAUSE
LISTEN      idle_max_frames of silence, or listen_max_frames             STUCK
USER_PAUSE  the agent says a word                                        SPEAK
USER_PAUSE  speech                                                       LISTEN
USER_PAUSE  evidence that the turn is over, or it was held long enough   TAKE
USER_PAUSE  pause_max_frames, after a turn                               TAKE
USER_PAUSE  pause_max_frames, after no turn                              LISTEN
USER_PAUSE  a cue for a backchannel, where allowed                       AGENT_BC
TAKE        the agent says a word                                        SPEAK
TAKE        speech for onset_frames                                      LISTEN
TAKE        take_max_frames                                              STUCK
SPEAK       a loop, or speak_max_frames                                  STUCK
SPEAK       speech within withdraw_frames: it answered a pause           LISTEN
SPEAK       speech, near or far                                          OVERLAP
SPEAK       the agent's turn has been heard to its end                   LISTEN
OVERLAP     the agent has fallen silent                                  LISTEN
OVERLAP     it is within withdraw_frames, and not far: see SPEAK         LISTEN
OVERLAP     silence for overlap_end_frames (it was a backchannel)        SPEAK
OVERLAP     far speech for far_max_frames                                SPEAK
OVERLAP     a claim on the floor, or yield_after_frames                  YIELD
YIELD       silence before anything was claimed: resume                  SPEAK
YIELD       yield_frames, or silence after a claim                       LISTEN
AGENT_BC    speech, a backchannel said, or backchannel_max_frames        LISTEN
STUCK       the agent says a word, where that was missing                SPEAK
STUCK       speech for onset_frames, or stuck_max_frames                 LISTEN
ENDED       never                                                        -
==========  ===========================================================  ==========
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from voiceagent.turntaking.actions import act
from voiceagent.turntaking.config import TurnConfig
from voiceagent.turntaking.evidence import (
    is_turn,
    notice,
    p_turn_end,
    unplayed_frames,
)
from voiceagent.turntaking.types import (
    Decision,
    Event,
    Observation,
    Reason,
    State,
    Text,
    TurnState,
)

_Next = tuple[State, Reason]


def decide(
    config: TurnConfig, state: TurnState, observation: Observation
) -> tuple[TurnState, Decision]:
    """Decide one frame.

    Args:
        config: thresholds.
        state: as the last call returned it; `TurnState()` for a new session.
        observation: of this frame.

    Returns:
        The state for the next call, and what is to be done in this frame.
    """
    now = notice(config, state, observation)
    target, reason = _next(config, now, observation)
    left_after_frames = now.frames_in_state
    if reason is not Reason.STAY:
        now = _enter(config, now, target, reason, observation)
    now = _hush(config, now, observation)
    decision = act(config, now, observation, reason, left_after_frames)
    if state.frame >= 0 and observation.frame != state.frame + 1:
        decision = dataclasses.replace(decision, events=(Event.FRAME_GAP, *decision.events))
    gated_frames = _gated_frames(config, now, observation, decision)
    if gated_frames != now.gated_frames:
        now = dataclasses.replace(now, gated_frames=gated_frames)
    return now, decision


def _hush(config: TurnConfig, now: TurnState, seen: Observation) -> TurnState:
    """Begin to keep the agent from being heard in an overlap, or go on with it."""
    if now.state is not State.OVERLAP:
        return now
    if now.hushed_frames:
        return dataclasses.replace(now, hushed_frames=now.hushed_frames + 1)
    if now.is_far or now.turn_frames < config.hush_after_frames:
        return now
    return dataclasses.replace(
        now,
        hushed_frames=1,
        unheard_frames=unplayed_frames(seen),
        generation=now.generation + 1,
    )


def _gated_frames(config: TurnConfig, now: TurnState, seen: Observation, decision: Decision) -> int:
    """Frames in a row that may have to be replayed: sound, and not the agent's own."""
    is_sound = seen.level_dbfs >= seen.floor_dbfs + config.sound_above_floor_db
    is_missed = decision.is_gated and not now.is_echo and (now.is_far or is_sound)
    return min(now.gated_frames + 1, config.rewind_max_frames) if is_missed else 0


def _next(config: TurnConfig, now: TurnState, seen: Observation) -> _Next:
    if seen.is_hung_up and now.state is not State.ENDED:
        return State.ENDED, Reason.HUNG_UP
    return _LEAVE[now.state](config, now, seen) or (now.state, Reason.STAY)


def _leave_start(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if seen.text is Text.WORD:
        return State.SPEAK, Reason.AGENT_STARTS
    if now.speech_frames >= config.onset_frames or now.turn_words:
        return State.LISTEN, Reason.USER_SPEAKS
    if now.frames_in_state >= config.start_max_frames:
        return State.LISTEN, Reason.TIMEOUT
    return None


def _leave_listen(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if seen.text is Text.WORD:
        return State.SPEAK, Reason.AGENT_STARTS
    if config.is_patient and now.wanted_frames >= config.patience_frames:
        return State.TAKE, Reason.TURN_END
    if now.silence_frames and now.turn_frames >= config.min_turn_frames:
        return State.USER_PAUSE, Reason.USER_PAUSES
    is_idle = now.silence_frames >= config.idle_max_frames
    if is_idle or now.frames_in_state >= config.listen_max_frames:
        return State.STUCK, Reason.WATCHDOG
    return None


def _leave_user_pause(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if seen.text is Text.WORD:
        return State.SPEAK, Reason.AGENT_STARTS
    if now.is_speech and not now.is_far:
        return State.LISTEN, Reason.USER_RESUMES
    if _is_over(config, now, seen):
        return State.TAKE, Reason.TURN_END
    is_held = now.wanted_frames > 0 or (config.model_trust < 1 and is_turn(config, now))
    if (is_held or now.is_withdrawn) and now.silence_frames >= config.hold_max_frames:
        return State.TAKE, Reason.HOLD_EXPIRED
    if now.frames_in_state >= config.pause_max_frames:
        if is_turn(config, now):
            return State.TAKE, Reason.PAUSE_EXPIRED
        return State.LISTEN, Reason.NO_TURN
    if _is_backchannel_cue(config, now):
        return State.AGENT_BC, Reason.BACKCHANNEL_CUE
    return None


def _is_over(config: TurnConfig, now: TurnState, seen: Observation) -> bool:
    if config.is_patient:
        return now.wanted_frames >= config.patience_frames
    return p_turn_end(config, now, seen) >= config.turn_end_above_p


def _leave_take(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if seen.text is Text.WORD:
        return State.SPEAK, Reason.AGENT_STARTS
    if now.speech_frames >= config.onset_frames and not now.is_far:
        return State.LISTEN, Reason.USER_RESUMES
    if now.frames_in_state >= config.take_max_frames:
        return State.STUCK, Reason.WATCHDOG
    return None


def _leave_speak(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if seen.repeats > config.max_repeats or now.frames_in_state >= config.speak_max_frames:
        return State.STUCK, Reason.WATCHDOG
    if _is_resumed(config, now):
        return State.LISTEN, Reason.AGENT_WITHDRAWS
    if now.speech_frames == 1 or (now.is_speech and not now.is_far):
        return State.OVERLAP, Reason.USER_SPEAKS
    if now.quiet_frames >= config.agent_pause_frames + unplayed_frames(seen):
        return State.LISTEN, Reason.AGENT_DONE
    return None


def _leave_overlap(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if _is_resumed(config, now):
        return State.LISTEN, Reason.AGENT_WITHDRAWS
    if now.silence_frames >= config.overlap_end_frames:
        if now.has_claim and now.quiet_frames:  # said into the end of the agent's turn
            return State.LISTEN, Reason.AGENT_YIELDED
        return State.SPEAK, Reason.BACKCHANNEL if now.turn_frames else Reason.NOT_ADDRESSED
    if now.quiet_frames >= config.agent_pause_frames:
        return State.LISTEN, Reason.AGENT_DONE if now.is_far else Reason.AGENT_YIELDED
    if now.is_far and now.frames_in_state >= config.far_max_frames:
        return State.SPEAK, Reason.NOT_ADDRESSED
    is_claim = now.has_claim and now.turn_frames >= config.claim_after_frames
    if is_claim or now.turn_frames >= config.yield_after_frames:
        return State.YIELD, Reason.INTERRUPTION
    return None


def _leave_yield(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    if now.silence_frames >= config.overlap_end_frames:
        room_frames = min(seen.rewind_room_frames, config.resume_max_frames)
        if now.has_claim or now.frames_in_state > room_frames:
            return State.LISTEN, Reason.YIELD_DONE
        return State.SPEAK, Reason.FALSE_INTERRUPTION
    if now.frames_in_state >= config.yield_frames:
        return State.LISTEN, Reason.YIELD_DONE
    return None


def _leave_agent_bc(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    is_said = now.backchannel_words > 0 and now.quiet_frames >= config.overlap_end_frames
    is_missed = not now.backchannel_words and now.frames_in_state >= config.backchannel_lift_frames
    is_over = now.frames_in_state >= config.backchannel_max_frames
    if is_said or is_missed or is_over or now.speech_frames >= config.onset_frames:
        return State.LISTEN, Reason.BACKCHANNEL_DONE
    return None


def _leave_stuck(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    is_silence = now.watchdog not in (Event.LOOP, Event.MONOLOGUE)
    if is_silence and seen.text is Text.WORD:
        return State.SPEAK, Reason.AGENT_STARTS
    is_spoken_to = now.speech_frames >= config.onset_frames and not now.is_far
    if is_spoken_to and now.watchdog is not Event.LONG_LISTEN:
        return State.LISTEN, Reason.USER_SPEAKS
    if now.frames_in_state >= config.stuck_max_frames:
        return State.LISTEN, Reason.TIMEOUT
    return None


def _leave_ended(config: TurnConfig, now: TurnState, seen: Observation) -> _Next | None:
    return None


def _is_resumed(config: TurnConfig, now: TurnState) -> bool:
    """The user goes on where the agent has just begun: what it answered was a pause."""
    is_young = now.since_begun_frames < config.withdraw_frames
    return is_young and now.is_speech and not now.is_far


def _is_backchannel_cue(config: TurnConfig, now: TurnState) -> bool:
    return (
        config.is_backchanneling
        and now.turn_frames >= config.backchannel_min_turn_frames
        and now.since_backchannel_frames >= config.backchannel_gap_frames
        and (now.p_eot is not None and now.p_eot < config.turn_end_above_p)
    )


def _enter(
    config: TurnConfig, now: TurnState, target: State, reason: Reason, seen: Observation
) -> TurnState:
    """Forget what ends with the old state."""
    changed = dataclasses.replace(now, state=target, frames_in_state=0, watchdog=None)
    match target:
        case State.SPEAK:
            return _enter_speak(changed, reason)
        case State.OVERLAP:
            return dataclasses.replace(
                changed, turn_frames=int(not now.is_far), turn_words=0, hushed_frames=0
            )
        case State.YIELD:
            return dataclasses.replace(changed, generation=now.generation + 1)
        case State.AGENT_BC:
            return dataclasses.replace(changed, backchannel_words=0, since_backchannel_frames=0)
        case State.STUCK:
            return _enter_stuck(config, changed, now.state, seen)
        case State.LISTEN if reason is Reason.AGENT_WITHDRAWS:
            return _withdrawn(config, changed)
        case State.LISTEN if reason in (Reason.NO_TURN, Reason.TIMEOUT):
            return dataclasses.replace(changed, turn_frames=0, turn_words=0)
    return changed


def _enter_speak(changed: TurnState, reason: Reason) -> TurnState:
    """The user's turn is done with; the agent's begins, or goes on."""
    if reason is Reason.AGENT_STARTS:
        changed = dataclasses.replace(changed, since_begun_frames=0, is_withdrawn=False)
    return dataclasses.replace(
        changed, turn_frames=0, turn_words=0, has_claim=False, wanted_frames=0
    )


def _withdrawn(config: TurnConfig, changed: TurnState) -> TurnState:
    """The user's turn goes on as if it had not been answered; it wants an answer still."""
    return dataclasses.replace(
        changed,
        generation=changed.generation + 1,
        turn_frames=config.min_turn_frames + changed.turn_frames,
        turn_words=1 + changed.turn_words,
        has_claim=False,
        is_withdrawn=True,
    )


def _enter_stuck(
    config: TurnConfig, changed: TurnState, left: State, seen: Observation
) -> TurnState:
    """Say what the watchdog saw; sound of an agent out of hand is void."""
    match left:
        case State.TAKE:
            watchdog = Event.NO_ANSWER
        case State.SPEAK:
            watchdog = Event.LOOP if seen.repeats > config.max_repeats else Event.MONOLOGUE
            changed = dataclasses.replace(changed, generation=changed.generation + 1)
        case _:
            is_idle = changed.silence_frames >= config.idle_max_frames
            watchdog = Event.PRESENCE_CHECK if is_idle else Event.LONG_LISTEN
    return dataclasses.replace(changed, watchdog=watchdog)


_LEAVE: dict[State, Callable[[TurnConfig, TurnState, Observation], _Next | None]] = {
    State.START: _leave_start,
    State.LISTEN: _leave_listen,
    State.USER_PAUSE: _leave_user_pause,
    State.TAKE: _leave_take,
    State.SPEAK: _leave_speak,
    State.OVERLAP: _leave_overlap,
    State.YIELD: _leave_yield,
    State.AGENT_BC: _leave_agent_bc,
    State.STUCK: _leave_stuck,
    State.ENDED: _leave_ended,
}
