"""One conversation as its transport sees it: `push` sound, read `frames`, `close`.

The same object whatever is behind it (an engine process or an engine in this one) and before it
(WebRTC, WebSocket, a telephone, a test). No torch, no sockets: the way to the engine is a
`PortLink`. Both directions are bounded: in the engine the oldest waiting frame of the user is
dropped, here the oldest frame of the agent that nobody read; both are counted.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Protocol

from voiceagent.audio.framing import FRAME_MS, FRAME_SAMPLES, FrameAssembler, Samples
from voiceagent.clock import Clock
from voiceagent.errors import SessionClosed
from voiceagent.serving.announcement import announced_frames
from voiceagent.serving.messages import (
    AgentFrame,
    Announce,
    SessionEnded,
    SessionKey,
    SessionReady,
    SoundPlayed,
    UserFrame,
)

#: Two seconds of the agent that may wait for a transport to read them.
MAX_WAITING_FRAMES = 25


@dataclasses.dataclass(frozen=True, slots=True)
class PortFrame:
    """80 ms of a conversation, as the engine answered them.

    Attributes:
        step: 0 for the first frame of the session.
        time_ms: when the frame's sound starts, from the session's start.
        pcm: the agent's sound, float32 [1920], 24 kHz.
        said: text that the agent, or an announcement in its place, begins to speak in this frame,
            with its leading space, or None.
        heard: text of the user that the model understood in this frame, or None.
        p_pad: probability that the text stream stays silent.
        p_epad: probability that a word starts at the next step.
        entropy: of the text stream, nats.
        is_gated: whether the model was given silence instead of the user's sound.
        is_filled: whether that was because no sound had come.
        skipped_frames: pushed since the last frame and never heard, because they came too late.
        step_us: how long the step of the whole batch took.
        lag_us: from the user's frame being complete in `push` to this frame being here; for a
            frame of silence fed in place of a late one, from when it was fed.
        turn: what turn-taking saw and decided: "policy" ("shadow" or "on"), "row" and
            "generated_dbfs", plain values; None where it is off.
        generation: of the sound; what is queued of an older one is void.
        is_flush: this is the first frame of its generation.
    """

    step: int
    time_ms: int
    pcm: Samples
    said: str | None
    heard: str | None
    p_pad: float
    p_epad: float
    entropy: float
    is_gated: bool
    is_filled: bool
    skipped_frames: int
    step_us: int
    lag_us: int
    turn: dict[str, Any] | None = None
    generation: int = 0
    is_flush: bool = False


class PortLink(Protocol):
    """The way from a port to its engine."""

    def send_frame(self, frame: UserFrame) -> bool:
        """Send without waiting; False when the way is full."""
        ...

    def send_played(self, played: SoundPlayed) -> None:
        """Say how much has been heard; lost where the way is full."""
        ...

    def send_announced(self, announced: Announce) -> bool:
        """Send without waiting; False when the way is full."""
        ...

    def send_close(self, key: SessionKey) -> None:
        """Say that a session is over."""
        ...


class SessionPort:
    """Made by a `PortClient`. Next: `push` and `frames` side by side, then `close`.

    While it `is_preparing`, that is until `wait_ready` returns, sound is counted and not heard.
    """

    def __init__(
        self,
        key: SessionKey,
        link: PortLink,
        clock: Clock,
        *,
        is_prompted: bool = False,
        is_preparing: bool = False,
    ) -> None:
        self.key = key
        #: Whether the model is told the role and voice that were asked for.
        self.is_prompted = is_prompted
        #: Samples of the user that came while the model was told them.
        self.early_samples = 0
        #: Frames of the user that found the way to the engine full.
        self.dropped_in_frames = 0
        #: Frames of the agent that were not read in time.
        self.dropped_out_frames = 0
        self._link = link
        self._clock = clock
        self._input = FrameAssembler(max_frames=1)
        self._waiting: deque[PortFrame] = deque()
        self._news = asyncio.Event()
        self._ready = asyncio.Event()
        if not is_preparing:
            self._ready.set()
        self._ended: str | None = None
        self._is_closed_here = False

    @property
    def ended(self) -> str | None:
        """Why nothing more will come, or None while the session lives."""
        return self._ended

    @property
    def is_preparing(self) -> bool:
        """Whether the model is still being told role and voice."""
        return not self._ready.is_set()

    async def wait_ready(self) -> None:
        """Wait until the model hears, or the session has ended."""
        await self._ready.wait()

    def push(self, pcm: Samples) -> None:
        """Bring user sound: float32 [N], 24 kHz mono, any N. Never waits; no effect once ended.

        Raises:
            ValueError: another shape or dtype.
        """
        if self._ended is not None:
            return
        if self.is_preparing:
            self.early_samples += pcm.size
            return
        # at most one frame's worth at a time completes at most one frame
        for begin in range(0, pcm.size, FRAME_SAMPLES):
            self._input.push(pcm[begin : begin + FRAME_SAMPLES])
            if self._input.ready:
                self._send(self._input.pop())

    def played(self, played_ms: int) -> None:
        """Report how much of the agent's sound, from its first frame, the caller has heard.

        To be called a few times a second; where nobody does, the engine guesses.
        """
        if self._ended is None and not self.is_preparing:
            self._link.send_played(SoundPlayed(self.key, played_ms))

    def announce(self, pcm: Samples, text: str = "", *, is_held: bool = True) -> bool:
        """Say recorded speech in place of the model, from the next frame on, up to a minute.

        It comes back in `frames` as the agent's, under turn-taking; no effect once ended.

        Args:
            pcm: float32 [N], 24 kHz.
            text: its words, which come back as `PortFrame.said`.
            is_held: whether the model is silent meanwhile; otherwise its first word is heard and
                ends the announcement.

        Returns:
            Whether all of it is on its way.
        """
        if self._ended is not None:
            return False
        return all(
            self._link.send_announced(
                Announce(self.key, frame.said, frame.is_first, frame.is_held, frame.pcm)
            )
            for frame in announced_frames(pcm, text, is_held=is_held)
        )

    async def frames(self) -> AsyncIterator[PortFrame]:
        """What the agent says, in order; returns after `close`. One reader.

        Raises:
            SessionClosed: the session ended on the engine's side; says why.
        """
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._is_closed_here:
                return
            if self._ended is not None:
                raise SessionClosed(self._ended)
            self._news.clear()
            await self._news.wait()

    async def close(self) -> None:
        """End the conversation and free its slot; no effect when it has ended."""
        if self._ended is None:
            self._is_closed_here = True
            self._link.send_close(self.key)
            self.end("closed by this side")

    def deliver(self, message: AgentFrame | SessionEnded | SessionReady) -> None:
        """For the link: the engine's word on this session."""
        if self._ended is not None:
            return
        if isinstance(message, SessionEnded):
            self.end(message.reason)
            return
        if isinstance(message, SessionReady):
            self._ready.set()
            return
        if len(self._waiting) == MAX_WAITING_FRAMES:
            self._waiting.popleft()
            self.dropped_out_frames += 1
        self._waiting.append(self._frame(message))
        self._news.set()

    def end(self, reason: str) -> None:
        """For the link: nothing more will come. The first reason stays."""
        if self._ended is None:
            self._ended = reason
        self._ready.set()
        self._news.set()

    def _send(self, pcm: Samples) -> None:
        if not self._link.send_frame(UserFrame(self.key, self._clock.now_us(), pcm)):
            self.dropped_in_frames += 1

    def _frame(self, message: AgentFrame) -> PortFrame:
        return PortFrame(
            step=message.step,
            time_ms=message.step * FRAME_MS,
            pcm=message.pcm,
            said=message.said,
            heard=message.heard,
            p_pad=message.p_pad,
            p_epad=message.p_epad,
            entropy=message.entropy,
            is_gated=message.is_gated,
            is_filled=message.is_filled,
            skipped_frames=message.skipped_frames,
            step_us=message.step_us,
            lag_us=self._clock.now_us() - message.complete_us,
            turn=message.turn,
            generation=message.generation,
            is_flush=message.is_flush,
        )
