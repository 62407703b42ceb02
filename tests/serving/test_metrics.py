from voiceagent.serving.metrics import WINDOW_STEPS, StepMetrics
from voiceagent.serving.observe import NO_CUES, ModelView, Playout, observation
from voiceagent.serving.steering import Plan, Repeat
from voiceagent.turntaking.trace import TurnRow
from voiceagent.turntaking.types import Decision, Event, Reason, State, TurnState


def test_step_times_before_the_first_step_are_zero():
    assert StepMetrics().step_times().window_steps == 0


def test_step_times_are_percentiles_of_a_bounded_window():
    metrics = StepMetrics()
    for _ in range(WINDOW_STEPS):
        metrics.record_step(9_000_000, 1, 1, 0)
    for duration_us in range(WINDOW_STEPS):
        metrics.record_step(duration_us, frames=2, rows=4, gated=1)
    times = metrics.step_times()
    assert times.window_steps == WINDOW_STEPS
    assert abs(times.p50_us - WINDOW_STEPS / 2) < 2
    assert abs(times.p99_us - 0.99 * WINDOW_STEPS) < 2
    assert metrics.steps == 2 * WINDOW_STEPS
    assert metrics.frames == 3 * WINDOW_STEPS
    assert metrics.rows == 5 * WINDOW_STEPS
    assert metrics.gated_frames == WINDOW_STEPS


def test_turns_are_counted_by_what_was_done_and_seen():
    decision = Decision(
        state=State.STUCK, reason=Reason.WATCHDOG, events=(Event.LOOP, Event.FRAME_GAP)
    )
    seen = observation(3, NO_CUES, ModelView(), Playout())
    row = TurnRow(state=TurnState(), observation=seen, decision=decision)
    metrics = StepMetrics()
    metrics.record_turn(row, Plan(forget_steps=2, repeats=(Repeat((0,)),) * 3, is_flush=True))
    metrics.record_turn(row, Plan())
    assert (metrics.late_observations, metrics.rewound_frames, metrics.flushes) == (2, 5, 1)
    assert metrics.turn_events == {"loop": 2, "frame_gap": 2}
