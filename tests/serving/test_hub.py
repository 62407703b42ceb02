import numpy as np
import pytest

from voiceagent.errors import DetectorUnavailable, MalformedMessage, PromptRefused, VoiceError
from voiceagent.serving.config import EngineConfig, SessionOptions
from voiceagent.serving.echo import EchoEngine
from voiceagent.serving.hub import Hub
from voiceagent.serving.messages import (
    AgentFrame,
    Announce,
    CloseSession,
    GetStatus,
    OpenSession,
    OptionsRefused,
    Ping,
    Pong,
    SessionEnded,
    SessionOpened,
    SessionReady,
    SessionRefused,
    SoundPlayed,
    StatusReport,
    UserFrame,
)
from voiceagent.serving.session import UNREPORTED_LAG_FRAMES


class FaultyEngine(EchoEngine):
    """Raises in a step when any waiting session's options have this seed."""

    def step(self):
        for session in self._sessions.values():
            if session.options.seed == 13 and session.ready_frames:
                raise RuntimeError("boom")
        return super().step()


@pytest.fixture
def hub(clock):
    return Hub(FaultyEngine(EngineConfig(num_slots=2), clock), "echo", clock)


def ask(hub, message, client=b"a"):
    hub.receive(client, message)
    [(to, answer)] = hub.turn()
    assert to == client
    return answer


def opened(hub, client=b"a", seed=0):
    return ask(hub, OpenSession(1, SessionOptions(seed=seed)), client).key


def say(hub, clock, key, level, client=b"a"):
    hub.receive(client, UserFrame(key, clock.now_us(), np.full(1920, level, np.float32)))


def test_two_sessions_do_not_hear_each_other(hub, clock):
    first, second = opened(hub), opened(hub, b"b")
    say(hub, clock, first, 0.1)
    say(hub, clock, second, 0.2, b"b")
    heard = {(client, frame.key): frame.pcm[0] for client, frame in hub.turn()}
    assert heard == {(b"a", first): np.float32(0.1), (b"b", second): np.float32(0.2)}


def test_open_beyond_the_slots_is_refused_in_the_same_turn(hub):
    opened(hub), opened(hub)
    assert ask(hub, OpenSession(5, SessionOptions())) == SessionRefused(5, 2, 5.0)
    assert hub.status().refused_sessions == 1


def test_closed_session_frees_its_slot_and_is_confirmed(hub):
    key = opened(hub)
    assert ask(hub, CloseSession(key)) == SessionEnded(key, "closed")
    assert hub.status().num_free == 2


def test_frame_of_an_older_generation_is_dropped_and_answered_with_the_end(hub, clock):
    stale = opened(hub)
    ask(hub, CloseSession(stale))
    fresh = opened(hub)
    assert (fresh.slot, fresh.generation > stale.generation) == (stale.slot, True)
    say(hub, clock, stale, 0.5)
    assert hub.turn() == [(b"a", SessionEnded(stale, "the engine does not know this session"))]
    assert hub.status().stale_messages == 1


def test_frame_and_close_of_another_gateway_do_not_reach_the_session(hub, clock):
    key = opened(hub)
    say(hub, clock, key, 0.5, b"thief")
    hub.receive(b"thief", CloseSession(key))
    assert {client for client, _ in hub.turn()} == {b"thief"}
    assert hub.status().num_free == 1


def test_session_ids_are_128_random_bits(hub):
    first, second = opened(hub), opened(hub)
    assert len(bytes.fromhex(first.id)) == 16
    assert first.id != second.id


def test_failed_step_ends_its_sessions_with_the_reason_and_no_other(hub, clock, caplog):
    bystander, faulty = opened(hub), opened(hub, seed=13)
    say(hub, clock, faulty, 0.1)
    [(_, ended)] = hub.turn()
    assert ended == SessionEnded(faulty, "the step of slots 1 failed: RuntimeError: boom")
    assert "Traceback" in caplog.text
    say(hub, clock, bystander, 0.1)
    [(_, frame)] = hub.turn()
    assert isinstance(frame, AgentFrame)
    assert (hub.status().failed_steps, hub.status().num_free) == (1, 1)


def test_gateway_that_is_silent_for_5_s_loses_its_slots(hub, clock):
    opened(hub), opened(hub, b"b")
    for _ in range(6):
        clock.advance_ms(1000)
        hub.receive(b"b", Ping())
        hub.turn()
    assert (hub.status().num_free, hub.status().vanished_clients) == (1, 1)


def test_user_frames_that_wait_too_long_are_dropped_oldest_first_and_counted(hub, clock):
    key = opened(hub)
    for number in range(30):
        say(hub, clock, key, number / 100)
    assert hub.status().queued_frames == 25
    [(_, frame)] = hub.turn()
    assert frame.pcm[0] == np.float32(0.05)
    assert hub.status().dropped_in_frames == 5
    ask_all = hub.end_all("stop")
    assert hub.status().dropped_in_frames == 5
    assert isinstance(ask_all[-1][1], SessionEnded)


def test_late_sound_is_replaced_by_silence_and_heard_after_it(hub, clock):
    key = opened(hub)
    clock.advance_ms(160)
    [(_, silent)] = hub.turn()
    assert (silent.step, silent.is_gated, silent.pcm.any()) == (0, True, False)
    say(hub, clock, key, 0.5)
    [(_, frame)] = hub.turn()
    assert (frame.step, frame.pcm[0]) == (1, 0.5)


def test_burst_of_sound_after_a_stall_does_not_come_on_top_of_its_silence(hub, clock):
    key = opened(hub)
    for _ in range(20):
        clock.advance_ms(20)
        hub.turn()  # 400 ms without sound: silence at 160, 240, 320 and 400 ms
    for number in range(1, 6):
        say(hub, clock, key, number / 10)
    [(_, frame)] = hub.turn()
    assert (frame.step, frame.pcm[0], frame.skipped_frames) == (4, 0.5, 4)
    assert (hub.status().frames, hub.status().late_frames) == (5, 4)


def test_undelivered_message_is_counted_and_an_undelivered_opening_is_undone(hub):
    key = opened(hub)
    hub.undelivered(b"a", Pong())
    assert hub.status().num_free == 1
    hub.undelivered(b"a", SessionOpened(1, key, False, False))
    assert (hub.status().num_free, hub.status().dropped_out_messages) == (2, 2)


def test_end_all_tells_every_session_why(hub):
    keys = {opened(hub), opened(hub, b"b")}
    outbox = hub.end_all("the engine was stopped")
    assert {message.key for _, message in outbox} == keys
    assert {message.reason for _, message in outbox} == {"the engine was stopped"}


def test_status_tells_model_and_slots(hub):
    report = ask(hub, GetStatus(3))
    assert isinstance(report, StatusReport)
    assert (report.request, report.status.model, report.status.num_slots) == (3, "echo", 2)


def test_message_of_an_engine_to_an_engine_is_malformed(hub):
    with pytest.raises(MalformedMessage, match="Pong to an engine"):
        hub.receive(b"a", Pong())


def test_hub_does_not_sleep_while_something_is_to_be_sent_or_stepped(hub, clock):
    assert hub.wait_us() == 250_000
    hub.receive(b"a", Ping())
    assert hub.wait_us() == 0
    hub.turn()
    key = opened(hub)
    assert hub.wait_us() == 160_000
    say(hub, clock, key, 0.1)
    assert hub.wait_us() == 0


class PromptEngine(EchoEngine):
    """Feeds a role in one piece per word, 60 ms each; its steps take 30 ms."""

    is_promptable = True

    def __init__(self, config, clock):
        super().__init__(config, clock)
        self.words = {}

    @property
    def preparing(self):
        waiting = [s for s in self._sessions.values() if s.is_preparing]
        return waiting[0] if waiting else None

    def voice_ids(self):
        return ("alice", "bob")

    def open_session(self, options=None):
        if options.voice == "nobody":
            raise PromptRefused("no voice 'nobody': there are alice, bob")
        session = super().open_session(options)
        session.is_preparing = session.is_prompted = bool(options.role)
        self.words[session] = options.role.split()
        return session

    def prepare(self):
        self._clock.advance_ms(60)
        session = self.preparing
        word = self.words[session].pop(0)
        if word == "boom":
            raise RuntimeError(word)
        if word == "gone":
            raise VoiceError("the voice has gone")
        session.is_preparing = bool(self.words[session])
        return not session.is_preparing

    def step(self):
        self._clock.advance_ms(30)
        return super().step()


@pytest.fixture
def prompted(clock):
    return Hub(PromptEngine(EngineConfig(num_slots=3), clock), "prompted", clock)


def open_with(hub, role, client=b"a"):
    hub.receive(client, OpenSession(1, SessionOptions(role=role)))


def test_prompt_is_fed_a_piece_a_turn_and_then_the_session_is_ready(prompted):
    open_with(prompted, "two words")
    [(_, opened)] = prompted.turn()
    assert (opened.is_prompted, opened.is_preparing) == (True, True)
    assert (prompted.status().num_preparing, prompted.wait_us()) == (1, 0)
    assert prompted.turn() == [(b"a", SessionReady(opened.key))]
    assert (prompted.status().num_preparing, prompted.wait_us()) == (0, 160_000)


def test_sound_and_silence_of_a_session_that_prepares_are_not_stepped(prompted, clock):
    open_with(prompted, "one two three four five six seven eight nine ten")
    [(_, opened)] = prompted.turn()
    for _ in range(5):
        say(prompted, clock, opened.key, 0.1)
        assert prompted.turn() == []
    assert (prompted.status().frames, prompted.status().dropped_in_frames) == (0, 0)


def test_prompt_makes_no_other_session_miss_its_deadline(prompted, clock):
    live = opened(prompted, b"live")
    say(prompted, clock, live, 0.1, b"live")
    prompted.turn()  # a step: now its length is known
    begin_us = clock.now_us() - 30_000
    open_with(prompted, "word " * 12)
    ready_at = None
    for number in range(1, 30):
        while clock.now_us() < begin_us + number * 80_000:
            for _, message in prompted.turn():
                ready_at = ready_at or (number if isinstance(message, SessionReady) else None)
            if prompted.wait_us():
                clock.advance_ms(1)
        frame = np.full(1920, 0.1, np.float32)
        prompted.receive(b"live", UserFrame(live, begin_us + number * 80_000, frame))
    assert prompted.status().missed_deadlines == 0
    assert ready_at is not None
    assert ready_at > 2


def test_prompt_that_gets_no_time_between_the_others_steps_ends_with_the_reason(prompted, clock):
    live = opened(prompted, b"live")
    prompted._step_us = 150_000
    open_with(prompted, "never")
    for _ in range(62):
        clock.advance_ms(1000)
        prompted._step_us = 150_000
        prompted.receive(b"a", Ping())
        say(prompted, clock, live, 0.1, b"live")
        ended = [m for _, m in prompted.turn() if isinstance(m, SessionEnded)]
        if ended:
            break
    assert "role and voice were not taken in within 60 s" in ended[0].reason
    assert prompted.status().num_free == 2


@pytest.mark.parametrize(
    ("role", "reason"),
    [("boom", "the step of slots 0 failed: RuntimeError: boom"), ("gone", "the voice has gone")],
)
def test_prompt_that_cannot_be_fed_ends_its_session_with_the_reason(prompted, role, reason):
    open_with(prompted, role)
    [(_, opened), (_, ended)] = prompted.turn()
    assert ended == SessionEnded(opened.key, reason)
    assert prompted.status().num_free == 3


def test_client_that_leaves_while_its_prompt_is_fed_frees_the_slot(prompted):
    open_with(prompted, "many many words")
    [(_, opened)] = prompted.turn()
    prompted.receive(b"a", CloseSession(opened.key))
    assert prompted.turn() == [(b"a", SessionEnded(opened.key, "closed"))]
    assert (prompted.status().num_free, prompted.status().num_preparing) == (3, 0)
    assert prompted.wait_us() == 250_000


def test_options_that_cannot_be_had_are_refused_with_the_reason(prompted):
    message = OpenSession(7, SessionOptions(voice="nobody"))
    assert ask(prompted, message) == OptionsRefused(7, "no voice 'nobody': there are alice, bob")
    assert prompted.status().num_free == 3


def test_status_tells_the_voices(prompted):
    assert (prompted.status().is_promptable, prompted.status().voices) == (True, ("alice", "bob"))


def test_report_of_the_playout_reaches_its_session_and_no_other(hub, clock):
    first, second = opened(hub), opened(hub, b"b")
    for _ in range(3):
        say(hub, clock, first, 0.1)
        say(hub, clock, second, 0.1, b"b")
        hub.turn()
    hub.receive(b"a", SoundPlayed(first, 240))
    hub.receive(b"b", SoundPlayed(first, 0))
    behind = [seat.session.unheard_frames for seat in hub._seats.values()]
    assert behind == [0, UNREPORTED_LAG_FRAMES]
    assert hub.counters.stale_messages == 1


def test_policy_whose_detector_is_missing_is_refused_with_the_remedy(hub, monkeypatch):
    def missing(options):
        raise DetectorUnavailable("Silero VAD", "no such module")

    monkeypatch.setattr(hub._engine, "open_session", missing)
    refusal = ask(hub, OpenSession(4, SessionOptions(policy="on")))
    assert isinstance(refusal, OptionsRefused)
    assert "pip install" in refusal.reason


def test_status_tells_what_turn_taking_did(hub):
    metrics = hub._engine.metrics
    metrics.late_observations, metrics.rewound_frames, metrics.flushes = 1, 2, 3
    metrics.turn_events.update(["loop", "loop", "no_answer"])
    status = hub.status()
    found = (status.late_observations, status.rewound_frames, status.flushes, status.turn_events)
    assert found == (1, 2, 3, 3)


def test_an_announcement_is_heard_by_its_session_alone_in_place_of_the_engine(hub, clock):
    first, second = opened(hub), opened(hub, b"b")
    pcm = np.full(1920, 0.5, np.float32)
    hub.receive(b"a", Announce(first, " hello", is_first=True, is_held=True, pcm=pcm))
    for _ in range(2):
        say(hub, clock, first, 0.1)
        say(hub, clock, second, 0.2, b"b")
    answers = [*hub.turn(), *hub.turn()]
    heard = [(client, frame.said, round(float(frame.pcm[-1]), 2)) for client, frame in answers]
    assert sorted(heard, key=str) == [
        (b"a", " hello", 0.5),
        (b"a", None, 0.1),
        (b"b", None, 0.2),
        (b"b", None, 0.2),
    ]


def test_an_announcement_to_a_session_that_is_not_ones_own_is_stale(hub):
    key = opened(hub)
    pcm = np.zeros(1920, np.float32)
    hub.receive(b"b", Announce(key, None, is_first=True, is_held=True, pcm=pcm))
    assert hub.status().stale_messages == 1
