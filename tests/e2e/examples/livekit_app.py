"""Brings the agent into a LiveKit room of one's own, and follows what is said and who speaks.

The room is connected, and one's microphone published, as in any LiveKit app; LIVEKIT_URL,
LIVEKIT_API_KEY and LIVEKIT_API_SECRET name the server, at which `voiceagent livekit` runs.
"""

import asyncio
import json

from livekit import api, rtc


async def bring_agent(room: rtc.Room, on_text, on_state, **wish: str) -> None:
    """Ask for the agent; `wish` may have a role, a voice, a policy."""
    readers = set()

    async def read(reader, identity):
        async for text in reader:  # of the person and of the agent, as it is spoken
            on_text(identity, text)

    def hear(reader, identity):
        readers.add(asyncio.create_task(read(reader, identity)))

    room.register_text_stream_handler("lk.transcription", hear)
    room.on("participant_attributes_changed", lambda changed, agent: on_state(changed))
    async with api.LiveKitAPI() as lkapi:
        dispatch = {"agent_name": "voiceagent", "room": room.name, "metadata": json.dumps(wish)}
        await lkapi.agent_dispatch.create_dispatch(api.CreateAgentDispatchRequest(**dispatch))
