import pytest

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
