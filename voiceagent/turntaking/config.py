"""Every threshold of the turn-taking policy, with its unit; checked when made.

The defaults fit the embedded model, which takes its turns well by itself (`model_trust` 1): the
policy then only makes it wait a little, and steers where the model is weak. For a model that speaks
into pauses, lower the trust. Times are frames of 80 ms.
"""

from __future__ import annotations

import dataclasses
import math

#: The decoder can be rolled back so far.
MAX_RESUME_FRAMES = 12
#: And so many steps are taken again within a frame, at the cost of a step each.
MAX_REWIND_FRAMES = 6
#: A bias beyond this is a forced token under another name.
MAX_BIAS_NATS = 12.0
#: A finished turn is answered, or a watchdog speaks up, within 4 s.
MAX_SILENCE_FRAMES = 50

_PROBABILITIES = (
    "speech_above_p",
    "silence_below_p",
    "model_trust",
    "turn_end_above_p",
    "echo_above",
    "loud_echo_above",
    "near_attack",
    "near_release",
)
_BIASES = ("listen_hold_nats", "pause_hold_nats", "take_lift_nats")
_LEVELS = ("far_below_db", "sound_above_floor_db", "agent_speech_dbfs", "duck_db")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TurnConfig:
    """See the module's docstring.

    Attributes:
        speech_above_p: the user speaks from this probability on,
        silence_below_p: and until it falls below this one.
        onset_frames: of speech, before the agent gives way while nobody has the floor.
        min_turn_frames: of speech; less is no turn.
        needs_words: only speech that the model understood a word of is a turn; for models that
            write the user's words down.
        start_max_frames: the opening hold ends after so long.
        listen_max_frames: of listening without a pause: a watchdog.
        idle_max_frames: of silence with nobody's turn open: a watchdog.
        model_trust: 1: end of turn is what the model's EPAD says, and it is never held; 0: it is
            what the end-of-turn detector says.
        patience_frames: a trusted model's start is put off by so much, and given up if the user
            goes on meanwhile; 0 lets it start as it will.
        turn_end_above_p: end-of-turn evidence that ends a turn.
        turn_end_slope: of the hold between held and free.
        listen_hold_nats: on PAD, and off EPAD, while the user speaks and the model is not trusted.
        pause_hold_nats: likewise in the user's pauses.
        hold_max_frames: of silence; then a model that was held is let go.
        pause_max_frames: of silence; then a turn counts as finished whatever the evidence.
        take_lift_nats: off PAD, and on EPAD, when the agent is to start.
        take_force_frames: the agent has so long to start before EPAD is forced.
        take_max_frames: and so long until a watchdog.
        agent_speech_dbfs: sound of the agent from this level on.
        withdraw_frames: into its turn, the agent takes it back if the user goes on: the turn was
            not over. 0 never does.
        agent_pause_frames: of the agent's silence within its turn.
        speak_max_frames: the longest turn of the agent: a watchdog.
        max_repeats: of the agent's own words in a row: a watchdog.
        far_below_db: speech so much fainter than the user's is not addressed to the agent.
        near_frames: of a run of speech so loud as the user's, before it is taken for theirs; two
            let fewer others in and miss an interruption in ten (n 24).
        near_attack: how fast the measure of the user's loudness follows louder frames,
        near_release: and fainter ones; shares per frame.
        echo_above: a frame that matches the agent's sound so well is its echo,
        loud_echo_above: and one as loud as the user if it matches so well: both may speak.
        is_gating: give the model silence for echo and for speech not addressed to it, and while it
            speaks for whatever is fainter than the user.
        sound_above_floor_db: what is gated and fainter than this is not worth replaying.
        rewind_max_frames: replayed after a wrong gate; 0 where the engine cannot.
        resume_max_frames: the agent goes back so far at most when it goes on after a hush or a
            false interruption; likewise. An "uh huh" of .6 s takes ten.
        duck_after_frames: of addressed speech in an overlap.
        duck_db: by how much, negative.
        hush_after_frames: of addressed speech the agent is not heard any more, though the model
            speaks on; if it was a backchannel, it goes on from where it was last heard.
        overlap_end_frames: of silence that end an overlap.
        claim_after_frames: of addressed speech, with a word that is no backchannel: yield.
        yield_after_frames: of addressed speech: yield in any case.
        far_max_frames: an overlap not addressed to the agent is let go of after so long.
        yield_frames: the agent is kept silent for so long.
        backchannel_words: what a user says to keep the agent going.
        is_backchanneling: whether the agent may say such words itself.
        backchannel_min_turn_frames: of user speech before the first.
        backchannel_gap_frames: between two.
        backchannel_lift_frames: the agent has so long to start one,
        backchannel_max_frames: and so long in all.
        backchannel_max_words: of one.
        stuck_check_frames: from a watchdog to asking whether the user is there.
        stuck_max_frames: from a watchdog to starting afresh.
    """

    speech_above_p: float = 0.5
    silence_below_p: float = 0.35
    onset_frames: int = 2
    min_turn_frames: int = 2
    needs_words: bool = True
    start_max_frames: int = 375
    listen_max_frames: int = 750
    idle_max_frames: int = 375
    model_trust: float = 1.0
    patience_frames: int = 2
    turn_end_above_p: float = 0.6
    turn_end_slope: float = 12.0
    listen_hold_nats: float = 4.0
    pause_hold_nats: float = 4.0
    hold_max_frames: int = 15
    pause_max_frames: int = 35
    take_lift_nats: float = 4.0
    take_force_frames: int = 5
    take_max_frames: int = 12
    agent_speech_dbfs: float = -45.0
    withdraw_frames: int = 8
    agent_pause_frames: int = 6
    speak_max_frames: int = 750
    max_repeats: int = 3
    far_below_db: float = 2.5
    near_frames: int = 1
    near_attack: float = 0.5
    near_release: float = 0.02
    echo_above: float = 0.4
    loud_echo_above: float = 0.8
    is_gating: bool = True
    sound_above_floor_db: float = 10.0
    rewind_max_frames: int = MAX_REWIND_FRAMES
    resume_max_frames: int = MAX_RESUME_FRAMES
    duck_after_frames: int = 1
    duck_db: float = -6.0
    hush_after_frames: int = 3
    overlap_end_frames: int = 2
    claim_after_frames: int = 4
    yield_after_frames: int = 10
    far_max_frames: int = 6
    yield_frames: int = 6
    backchannel_words: tuple[str, ...] = (
        *("uh", "huh", "uh-huh", "mm", "mhm", "mm-hm", "hm", "yeah", "yes", "yep"),
        *("okay", "ok", "right", "sure", "oh", "ah", "aha", "wow", "really", "i", "see"),
    )
    is_backchanneling: bool = False
    backchannel_min_turn_frames: int = 25
    backchannel_gap_frames: int = 50
    backchannel_lift_frames: int = 6
    backchannel_max_frames: int = 11
    backchannel_max_words: int = 2
    stuck_check_frames: int = 25
    stuck_max_frames: int = 50

    @property
    def is_patient(self) -> bool:
        """Whether a model that wants to start is made to wait."""
        return self.patience_frames > 0 and self.model_trust == 1

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: naming the field.
        """
        _check_types(self)
        for field in _PROBABILITIES:
            _check_range(self, field, 0.0, 1.0)
        for field in _BIASES:
            _check_range(self, field, 0.0, MAX_BIAS_NATS)
        for field in _LEVELS:
            _check_range(self, field, -90.0, 40.0)
        _check_range(self, "turn_end_slope", 0.0, 100.0)
        for field in _frame_fields():
            _check_range(self, field, 0 if field in _MAY_BE_ZERO else 1, 7500)
        _check_range(self, "max_repeats", 1, 100)
        _check_range(self, "backchannel_max_words", 1, 10)
        self._check_order()

    def _check_order(self) -> None:
        _check_below(self, "silence_below_p", "speech_above_p")
        _check_below(self, "echo_above", "loud_echo_above")
        _check_below(self, "hold_max_frames", "pause_max_frames")
        _check_below(self, "take_force_frames", "take_max_frames")
        _check_below(self, "duck_after_frames", "hush_after_frames")
        _check_below(self, "hush_after_frames", "yield_after_frames")
        _check_below(self, "claim_after_frames", "yield_after_frames")
        _check_below(self, "backchannel_lift_frames", "backchannel_max_frames")
        _check_below(self, "stuck_check_frames", "stuck_max_frames")
        _check_range(self, "rewind_max_frames", 0, MAX_REWIND_FRAMES)
        _check_range(self, "resume_max_frames", 0, MAX_RESUME_FRAMES)
        # three steps stand before the first word that is seen, and the last is of the frame before
        _check_range(self, "withdraw_frames", 0, MAX_RESUME_FRAMES - 2)
        _check_range(self, "yield_frames", 1, MAX_REWIND_FRAMES)
        _check_range(self, "duck_db", -60.0, 0.0)
        if not self.far_below_db >= 0:
            raise ValueError(f"far_below_db must be at least 0, not {self.far_below_db}")
        longest = self.pause_max_frames + self.take_max_frames
        if longest > MAX_SILENCE_FRAMES - 2:  # a frame each to see the pause and to be stuck
            raise ValueError(
                f"pause_max_frames + take_max_frames must be at most {MAX_SILENCE_FRAMES - 2}, "
                f"so that no finished turn meets 4 s of silence, not {longest}"
            )


_MAY_BE_ZERO = (
    *("rewind_max_frames", "resume_max_frames", "withdraw_frames", "patience_frames"),
    *("duck_after_frames", "backchannel_gap_frames"),
)


def _frame_fields() -> list[str]:
    names = [field.name for field in dataclasses.fields(TurnConfig)]
    return [name for name in names if name.endswith("_frames")]


def _check_types(config: TurnConfig) -> None:
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        default = field.default
        wanted = type(default)
        fits = isinstance(value, int | float) if wanted is float else type(value) is wanted
        if not fits or (wanted is float and isinstance(value, bool)):
            raise ValueError(f"{field.name} must be {wanted.__name__}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{field.name} must be finite, not {value}")
    if not all(isinstance(word, str) and word for word in config.backchannel_words):
        raise ValueError(f"backchannel_words must be words, not {config.backchannel_words!r}")


def _check_range(config: TurnConfig, field: str, low: float, high: float) -> None:
    value = getattr(config, field)
    if not low <= value <= high:
        raise ValueError(f"{field} must be {low:g} to {high:g}, not {value}")


def _check_below(config: TurnConfig, lower: str, upper: str) -> None:
    low, high = getattr(config, lower), getattr(config, upper)
    if not low < high:
        raise ValueError(f"{lower} must be below {upper} ({high}), not {low}")
