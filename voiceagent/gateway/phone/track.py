"""The agent's track in a room: 20 ms at a time in, Opus out by LiveKit's client.

Its source has no queue of its own, which would hold sound back and keep the delay until the call
ends. Not here: pacing (`speaker`).
"""

from __future__ import annotations

from typing import Self

from livekit import rtc
from livekit.rtc.participant import PublishTrackError

from voiceagent.audio.framing import SAMPLE_RATE_HZ, Samples
from voiceagent.audio.opus import to_int16
from voiceagent.errors import RoomError
from voiceagent.gateway.phone.secrets import redact

#: A source without a queue takes 10 ms at a time and nothing else.
CAPTURE_SAMPLES = SAMPLE_RATE_HZ // 100


class AgentTrack:
    """Made by `publish`. Next: `send`, `close` in the end."""

    def __init__(self, source: rtc.AudioSource, sid: str, room_name: str) -> None:
        self.sid = sid
        self._source = source
        self._room_name = room_name

    @classmethod
    async def publish(cls, room: rtc.Room, room_name: str) -> Self:
        """Offer a track to a room, silent until `send`.

        Raises:
            RoomError: the server refused it.
        """
        source = rtc.AudioSource(SAMPLE_RATE_HZ, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("agent", source)
        options = rtc.TrackPublishOptions(
            # packets all the time, and a track that livekit-sip and clients know as a voice
            dtx=False,
            source=rtc.TrackSource.SOURCE_MICROPHONE,
        )
        try:
            published = await room.local_participant.publish_track(track, options)
        except PublishTrackError as error:
            raise RoomError(room_name, f"no track: {redact(str(error))}") from None
        return cls(source, published.sid, room_name)

    async def send(self, pcm: Samples) -> None:
        """20 ms: float32 [PACKET_SAMPLES].

        Raises:
            RoomError: the track takes no sound any more.
        """
        try:
            for piece in to_int16(pcm).reshape(-1, CAPTURE_SAMPLES):
                frame = rtc.AudioFrame(piece.tobytes(), SAMPLE_RATE_HZ, 1, CAPTURE_SAMPLES)
                await self._source.capture_frame(frame)
        except Exception as error:  # noqa: BLE001  # livekit raises bare Exception
            raise RoomError(self._room_name, redact(str(error))) from None

    async def close(self) -> None:
        """Give the source back."""
        await self._source.aclose()
