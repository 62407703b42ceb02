from voiceagent.gateway.phone.silence import SilenceWatch

S = 1_000_000


def watch():
    silence = SilenceWatch(10 * S)
    silence.restart(0)
    return silence


def test_a_caller_who_is_heard_is_fine():
    silence = watch()
    assert [silence.judge(t * S, t * S) for t in range(0, 60, 9)] == ["fine"] * 7


def test_a_silent_line_is_told_once_and_given_up_as_much_later():
    silence = watch()
    verdicts = {t: silence.judge(None, t * S) for t in range(24)}
    assert [t for t, verdict in verdicts.items() if verdict == "warn"] == [11]
    assert next(t for t, verdict in verdicts.items() if verdict == "end") == 22


def test_nobody_has_to_make_a_sound_while_the_agent_speaks():
    silence = watch()
    silence.spoken(8 * S)
    assert silence.judge(None, 18 * S) == "fine"
    assert silence.judge(None, 19 * S) == "warn"


def test_a_caller_who_is_heard_again_begins_anew():
    silence = watch()
    silence.judge(None, 11 * S)
    assert silence.is_warned
    assert silence.judge(15 * S, 16 * S) == "fine"
    assert not silence.is_warned
    assert silence.judge(15 * S, 26 * S) == "warn"
