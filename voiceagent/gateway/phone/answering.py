"""Answering a caller for whom there is no slot: an announcement and nothing else."""

from __future__ import annotations

import asyncio
import logging

from voiceagent.gateway.phone.announcements import Name
from voiceagent.gateway.phone.call import Setup
from voiceagent.gateway.phone.leg import Leg
from voiceagent.gateway.phone.mouth import Mouth
from voiceagent.gateway.phone.speaker import Speaker
from voiceagent.gateway.phone.texts import Texts
from voiceagent.gateway.phone.transcript import Transcript

#: A call for which there is no slot must be answered within this, then the telephone is let go.
ANSWERED_WITHIN_S = 20.0

_log = logging.getLogger(__name__)


async def say_only(leg: Leg, setup: Setup, name: Name) -> None:
    """Answer, play one announcement and wait until it has been heard, or the caller has gone.

    Raises:
        RoomError: the room does not let the agent speak.
    """
    speaker = Speaker(Mouth(setup.config.comfort_noise_dbfs), setup.clock)
    speaker.leg = leg
    texts = Texts(leg)
    await leg.publish()
    leg.answer()
    sending = asyncio.create_task(speaker.run(), name="phone announcement")
    try:
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            await leg.wait_active()
        speaker.mouth.say(setup.sounds[name].pcm)
        texts.tell(Transcript(leg.room_name).whole("agent", setup.sounds[name].text))
        await texts.flush()
        await speaker.finish()
    except TimeoutError:
        _log.info("room %s: the caller never answered", leg.room_name)
    finally:
        sending.cancel()
