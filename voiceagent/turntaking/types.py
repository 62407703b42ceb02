"""What the turn-taking policy sees, remembers and decides: frozen, plain Python, one per frame.

A frame is 80 ms and the only time there is. Probabilities and levels come from
`voiceagent.serving.observe`, the model's own from its last step; nothing here computes.
"""

from __future__ import annotations

import dataclasses
import enum


class State(enum.StrEnum):
    """Who has the floor; see the table of transitions in `policy`."""

    START = "start"  # nobody has spoken yet
    LISTEN = "listen"  # the user speaks, or may
    USER_PAUSE = "user_pause"  # the user fell silent: for good?
    TAKE = "take"  # the agent is to start
    SPEAK = "speak"
    OVERLAP = "overlap"  # both speak: is that a reason to stop?
    YIELD = "yield"  # the agent falls silent for the user
    AGENT_BC = "agent_bc"  # the agent may say "mm-hm" while it listens
    STUCK = "stuck"  # a watchdog found that the conversation does not go on
    ENDED = "ended"


class Text(enum.StrEnum):
    """What the model's text stream said in a step."""

    NONE = "none"  # before the first step
    PAD = "pad"
    EPAD = "epad"  # a word starts at the next step
    WORD = "word"  # or an announcement is made in its place


class Forced(enum.StrEnum):
    """The text token that the model must say in this step."""

    NONE = "none"
    PAD = "pad"
    EPAD = "epad"


class Audio(enum.StrEnum):
    """What happens to the agent's sound."""

    PASS = "pass"
    DUCK = "duck"
    FADE = "fade"  # to silence within the frame
    MUTE = "mute"


class Event(enum.StrEnum):
    """What a watchdog saw, and what it asks for; the engine logs and counts them."""

    FRAME_GAP = "frame_gap"  # frames are missing, or the count went back
    NO_ANSWER = "no_answer"  # a finished turn stays without one
    MONOLOGUE = "monologue"
    LONG_LISTEN = "long_listen"  # "speech" without an end: noise, most likely
    LOOP = "loop"  # the agent repeats itself
    PRESENCE_CHECK = "presence_check"  # ask whether the user is still there
    RESET_CONTEXT = "reset_context"  # start the model afresh from the transcript


class Reason(enum.StrEnum):
    """Why the policy is in the state it is in: the transition, or that there was none."""

    STAY = "stay"
    USER_SPEAKS = "user_speaks"
    USER_PAUSES = "user_pauses"
    USER_RESUMES = "user_resumes"
    TURN_END = "turn_end"
    HOLD_EXPIRED = "hold_expired"
    PAUSE_EXPIRED = "pause_expired"
    NO_TURN = "no_turn"  # what was taken for speech held no words
    AGENT_STARTS = "agent_starts"
    AGENT_DONE = "agent_done"
    AGENT_WITHDRAWS = "agent_withdraws"  # it had begun in a pause of the user
    BACKCHANNEL = "backchannel"
    NOT_ADDRESSED = "not_addressed"
    INTERRUPTION = "interruption"
    FALSE_INTERRUPTION = "false_interruption"
    AGENT_YIELDED = "agent_yielded"  # the model stopped by itself
    YIELD_DONE = "yield_done"
    BACKCHANNEL_CUE = "backchannel_cue"
    BACKCHANNEL_DONE = "backchannel_done"
    TIMEOUT = "timeout"
    WATCHDOG = "watchdog"
    HUNG_UP = "hung_up"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One frame of one session, before the model's step.

    Attributes:
        frame: 0 for the first of the session.
        p_user: that the user speaks at the end of this frame, of the voice activity detector.
        level_dbfs: of the user's frame.
        floor_dbfs: level of the background noise.
        tilt_db: bright sounds against dark ones in the user's frame.
        echo: how much the user's frame is the agent's own sound, 0 to 1.
        p_eot: that the turn is over, judged at the onset of this pause; None where nobody asked or
            the answer is not there yet.
        heard: word of the user that the model understood in the last step.
        text: the model's text stream in the last step.
        p_pad: of the last step, before bias and force; likewise the next two.
        p_epad: see `p_pad`.
        entropy_nats: of the text stream; see `p_pad`.
        agent_dbfs: level of the agent's sound of the last step.
        generated_frames: the playout cursor: frames that the model has made,
        sent_frames: sent to the user,
        heard_frames: and played there; a stated guess where nobody tells.
        rewind_room_frames: how far the model can be rolled back now.
        repeats: how often the agent has said its last words in a row.
        is_hung_up: the session is ending.
        is_late: the sound was not judged in time; these are the values of the frame before.
    """

    frame: int
    p_user: float
    level_dbfs: float
    floor_dbfs: float
    tilt_db: float
    echo: float
    p_eot: float | None
    heard: str | None
    text: Text
    p_pad: float
    p_epad: float
    entropy_nats: float
    agent_dbfs: float
    generated_frames: int
    sent_frames: int
    heard_frames: int
    rewind_room_frames: int
    repeats: int
    is_hung_up: bool
    is_late: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TurnState:
    """All that the policy remembers of a session; `TurnState()` is a fresh one.

    Attributes:
        state: who has the floor.
        frames_in_state: 0 in the frame of entry.
        frame: of the last observation; -1 before the first.
        generation: of the agent's sound; grows with every flush.
        is_speech: whether the user's last frame counts as speech.
        speech_frames: length of the present run of speech, 0 in silence.
        silence_frames: length of the present run of silence, 0 in speech.
        turn_frames: speech in the user's present turn, pauses left out.
        turn_words: words understood in it.
        near_dbfs: how loud the user is who talks to the agent; None until they have.
        near_frames: of the present run of speech, as loud as that; counted to the threshold only.
        is_far: the present run of speech has too few of them: not addressed to the agent.
        is_faint: the last frame is fainter than that.
        is_echo: the last frame was the agent's own sound.
        gated_frames: of sound in a row that the model has not been given.
        p_eot: end of turn, as last judged in this pause.
        wanted_frames: since the model wanted to start, was held, and the user did not go on.
        since_begun_frames: since the agent's last turn began.
        is_withdrawn: the agent began to answer this turn of the user and took that back.
        has_claim: something else than a backchannel was understood since the overlap began.
        hushed_frames: in which the agent was kept from being heard in this overlap.
        unheard_frames: of it that were on their way when that began.
        quiet_frames: frames in a row without a word or a sound of the agent.
        since_backchannel_frames: since the agent's last one.
        backchannel_words: words of the present one.
        watchdog: why the policy is stuck.
    """

    state: State = State.START
    frames_in_state: int = 0
    frame: int = -1
    generation: int = 0
    is_speech: bool = False
    speech_frames: int = 0
    silence_frames: int = 0
    turn_frames: int = 0
    turn_words: int = 0
    near_dbfs: float | None = None
    near_frames: int = 0
    is_far: bool = False
    is_faint: bool = False
    is_echo: bool = False
    gated_frames: int = 0
    p_eot: float | None = None
    wanted_frames: int = 0
    since_begun_frames: int = 1000
    is_withdrawn: bool = False
    has_claim: bool = False
    hushed_frames: int = 0
    unheard_frames: int = 0
    quiet_frames: int = 1000
    since_backchannel_frames: int = 1000
    backchannel_words: int = 0
    watchdog: Event | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is done in this frame.

    Attributes:
        state: after the observation.
        reason: of the transition, or STAY.
        pad_bias_nats: added to the text logit of PAD; bounded by the config.
        epad_bias_nats: likewise of EPAD.
        forced_text: the token that the model must say.
        is_gated: the model is given silence instead of the user's sound.
        rewind_frames: roll the model back so far before the step, 0 to 12; 0 to 6 if replayed.
        is_replayed: then repeat those steps with the user's true codes, forcing the agent's tokens
            as they were played; otherwise forget them: they never happened.
        audio: what happens to the agent's sound of this step.
        gain_db: of that sound where it is ducked.
        generation: of that sound; the loudspeaker drops older ones.
        is_flush: sound that was sent but not played is void.
        trim_from_frame: the user has not heard the agent from this generated frame on, and the
            model is to know that.
        is_resume: the agent goes on after a false interruption.
        events: of the watchdogs.
    """

    state: State
    reason: Reason
    pad_bias_nats: float = 0.0
    epad_bias_nats: float = 0.0
    forced_text: Forced = Forced.NONE
    is_gated: bool = False
    rewind_frames: int = 0
    is_replayed: bool = False
    audio: Audio = Audio.PASS
    gain_db: float = 0.0
    generation: int = 0
    is_flush: bool = False
    trim_from_frame: int | None = None
    is_resume: bool = False
    events: tuple[Event, ...] = ()
