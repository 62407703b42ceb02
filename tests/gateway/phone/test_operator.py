import pytest
from livekit.rtc.participant import PublishDTMFError

from voiceagent.gateway.phone.dtmf import KEY_EVERY_S

pytestmark = [pytest.mark.slow, pytest.mark.asyncio]


async def test_keys_go_out_no_faster_than_the_bridge_takes_them(hold):
    async with hold() as (caller, call, _):
        await caller.answered()
        await call.operator.press("1*")
        await caller.until(lambda: len(caller.keys) == 2, 2)
        with pytest.raises(ValueError, match="drops A to D"):
            await call.operator.press("A")
    (one, first_s), (star, second_s) = caller.keys
    assert (one, star) == ("1", "*")
    assert second_s - first_s > 0.8 * KEY_EVERY_S


async def test_rubbish_as_an_order_is_refused(hold):
    async with hold() as (caller, call, _):
        await caller.answered()
        call.on_order("voiceagent.transfer", b"{")
        call.on_order("something.else", b'{"to": "100"}')
        await caller.until(lambda: "voiceagent.transfer" in caller.agent, 2)
        assert caller.agent["voiceagent.transfer"].startswith("refused: no target")
        assert not call._tasks


async def test_two_orders_at_once_are_answered_each(hold):
    async with hold() as (caller, call, _):
        await caller.answered()
        call.on_order("voiceagent.press", b'{"keys": "1", "id": "a"}')
        call.on_order("voiceagent.press", b'{"keys": "2A", "id": "b"}')
        await caller.until(lambda: "voiceagent.press.a" in caller.agent, 4)
        assert caller.agent["voiceagent.press.a"] == "done"
        assert caller.agent["voiceagent.press.b"] == "refused: no keys that can be sent"


async def test_keys_that_the_server_does_not_take_are_told(hold, monkeypatch):
    async def refuse(code, key):
        raise PublishDTMFError("engine: connection closed")

    async with hold() as (caller, call, _):
        await caller.answered()
        monkeypatch.setattr(call.leg, "send_key", refuse)
        call.on_order("voiceagent.press", b'{"keys": "1", "id": "a"}')
        await caller.until(lambda: "voiceagent.press.a" in caller.agent, 2)
        assert caller.agent["voiceagent.press.a"].endswith("engine: connection closed")


async def test_the_transfer_key_pressed_again_while_the_caller_is_handed_on_is_only_noted(hold):
    async with hold(transfer_key="0", transfer_to="tel:+15550123") as (caller, call, _):
        await caller.answered()
        call.operator.transfer_to = "tel:+15550123"
        call.on_key("0")
        assert call.operator.keys_received == 1
        assert not call._tasks
        call.operator.transfer_to = None
        call.on_key("0")
        assert call._tasks
