import pytest

from voiceagent.gateway.phone.elder import SINCE, Agent, elder


def agent(identity, since=None, name="voiceagent"):
    return Agent(identity, name, {} if since is None else {SINCE: since})


def test_the_agent_whose_conversation_is_oldest_stays():
    old, new, newest = agent("c", "9"), agent("a", "10"), agent("b", "11")
    assert elder(newest, [new, old]) is old
    assert elder(new, [newest, old]) is old
    assert elder(old, [new, newest]) is None


def test_an_agent_of_another_name_has_other_duties():
    assert elder(agent("a", "10"), [agent("b", "9", name="translator")]) is None


@pytest.mark.parametrize("since", [None, "", "soon", "-1", "²"])
def test_an_agent_that_does_not_say_since_when_stays_and_is_no_elder(since):
    silent, other = agent("a", since), agent("b", "10")
    assert elder(silent, [other]) is None
    assert elder(other, [silent]) is None


def test_two_ways_of_one_conversation_do_not_send_each_other_off():
    one, other = agent("a", "10"), agent("b", "10")
    assert elder(one, [other]) is None
    assert elder(other, [one]) is None
