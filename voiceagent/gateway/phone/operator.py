"""What keys and orders do to a call: keys pressed for the caller, the caller handed on.

The caller asks with a key, others through the server's API (`order`). Knows its `Call`, which tells
it what comes and does what it says.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from livekit.rtc.participant import PublishDTMFError

from voiceagent.gateway.phone.config import LiveKitConfig
from voiceagent.gateway.phone.control import RoomControl
from voiceagent.gateway.phone.dtmf import KEY_EVERY_S, codes_of, key_of
from voiceagent.gateway.phone.order import (
    DONE,
    PRESS,
    REFUSED,
    TRANSFER,
    answer_name,
    read_keys,
    read_target,
)
from voiceagent.gateway.phone.secrets import redact

if TYPE_CHECKING:
    from voiceagent.gateway.phone.call import Call

#: After a transfer livekit-sip hangs the caller up by itself, about a second later.
TRANSFERRED_WITHIN_S = 5.0

_log = logging.getLogger(__name__)


class Operator:
    """Next: `on_key` and `on_order` as they come; `transfer` and `press` from anywhere."""

    def __init__(self, call: Call, config: LiveKitConfig, control: RoomControl) -> None:
        #: Where the caller is being handed on to, or has been; None: nowhere.
        self.transfer_to: str | None = None
        self.keys_received = 0
        self._call = call
        self._config = config
        self._control = control

    def on_key(self, digit: str) -> None:
        """The caller pressed a key."""
        key = key_of(digit)
        if key is None:
            return
        self.keys_received += 1
        self._call.note(f"dtmf {key}")
        # pressed again while it goes on, it would only tell of a refusal
        if key == self._config.transfer_key and self.transfer_to is None:
            self._call.spawn(self._transfer(self._config.transfer_to))

    def on_order(self, topic: str, data: bytes) -> None:
        """The server's API sent data to the room."""
        if topic == TRANSFER:
            target, answer = read_target(data), answer_name(topic, data)
            if target is None:
                self._tell(answer, "no target that can be transferred to")
            else:
                self._call.spawn(self._transfer(target, answer))
        elif topic == PRESS:
            keys, answer = read_keys(data), answer_name(topic, data)
            if keys is None:
                self._tell(answer, "no keys that can be sent")
            else:
                self._call.spawn(self._press(keys, answer))

    async def transfer(self, target: str) -> str | None:
        """Hand the caller on to another telephone; None when done, else why it was not."""
        if self.transfer_to is not None:
            return "another transfer is under way"
        self.transfer_to = target
        self._call.note(f"transfer to {target}")
        refusal: str | None = "only telephone calls can be transferred"
        leg = self._call.leg
        if self._call.is_phone and leg.caller is not None:
            refusal = await self._control.transfer(leg.room_name, leg.caller.identity, target)
        if refusal is None:
            return None
        _log.info("room %s: transfer refused: %s", leg.room_name, refusal)
        self.transfer_to = None
        self._call.note(f"transfer refused: {refusal}")
        self._call.say("transfer_failed")
        return refusal

    async def press(self, keys: str) -> None:
        """Send keys to the caller's telephone, as fast as livekit-sip takes them.

        Raises:
            ValueError: keys that cannot be sent.
            livekit.rtc.participant.PublishDTMFError: the server took one no more.
        """
        for code, key in codes_of(keys):
            await self._call.leg.send_key(code, key)
            self._call.note(f"dtmf sent {key}")
            await asyncio.sleep(KEY_EVERY_S)

    async def _transfer(self, target: str, answer: str = TRANSFER) -> None:
        refusal = await self.transfer(target)
        self._tell(answer, refusal)
        if refusal is None:
            await asyncio.sleep(TRANSFERRED_WITHIN_S)
            self._call.end(f"transferred to {target}")

    async def _press(self, keys: str, answer: str) -> None:
        try:
            await self.press(keys)
        except PublishDTMFError as error:
            self._tell(answer, f"the LiveKit server did not take them all: {redact(str(error))}")
        else:
            self._tell(answer, None)

    def _tell(self, name: str, refusal: str | None) -> None:
        self._call.texts.set(name, DONE if refusal is None else REFUSED + refusal)
