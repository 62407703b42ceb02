import inspect

from voiceagent.gateway.phone.call import Call
from voiceagent.gateway.phone.listener import Listener


def test_a_call_hears_all_that_happens_on_a_leg():
    told = {name for name in vars(Listener) if name.startswith("on_")}
    assert len(told) == 6
    for name in told:
        wanted, found = (inspect.signature(getattr(one, name)) for one in (Listener, Call))
        assert list(found.parameters) == list(wanted.parameters)
