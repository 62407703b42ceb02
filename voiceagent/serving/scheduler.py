"""Which slots step now, and by which deadline: pure bookkeeping over an injected clock.

Work-conserving: a slot is ready as soon as its 80 ms frame is complete, and nobody waits for a late
one; there is no global beat. A frame's deadline is its completion + 80 ms; missing it is a counter.
A slot that gets no complete frame for 160 ms is owed a frame of silence, and another one every
80 ms until its sound is back, so that the conversation's clock goes on. Sound that then comes in a
burst has had its time already: as many frames of it are surplus as silence was fed. Not here:
samples, sessions and the step itself (`hub`).
"""

from __future__ import annotations

from collections import deque

from voiceagent.audio.framing import FRAME_MS
from voiceagent.clock import Clock

FRAME_US = FRAME_MS * 1000
#: From a frame's completion to its deadline.
DEADLINE_US = FRAME_US
#: What may be spared while nobody talks.
FOREVER_US = 2**62
#: Without a complete frame for this long, a slot is owed silence.
SILENCE_AFTER_US = 2 * FRAME_US
#: Frames that complete sooner after each other than this are a burst, not a conversation's pace.
BURST_WITHIN_US = FRAME_US // 2
#: Frames at a conversation's pace after which no burst is to be expected any more: 320 ms.
CALM_FRAMES = 4


class _SlotTimes:
    """Completion times of one slot's waiting frames, oldest first."""

    def __init__(self, now_us: int, max_queued_frames: int) -> None:
        # drops its oldest when full, as the session's queue of samples does
        self.waiting = deque[int](maxlen=max_queued_frames)
        self.last_complete_us = now_us
        self.last_heard_us = now_us
        # silence fed whose sound may still come, and frames since the last burst
        self.replaced_frames = 0
        self.calm_frames = 0


class Scheduler:
    """See the module's docstring.

    Next: `open` a slot; then per turn `complete` for each frame that came, `starved`, step all of
    `ready`, `stepped` for each; sleep at most `wait_us`.
    """

    def __init__(self, clock: Clock, max_queued_frames: int) -> None:
        self._clock = clock
        self._max_queued_frames = max_queued_frames
        self._slots: dict[int, _SlotTimes] = {}
        #: Frames whose step ended after their deadline.
        self.missed_deadlines = 0
        #: Frames of silence that were owed.
        self.silent_frames = 0
        #: Frames that came after silence had taken their place.
        self.late_frames = 0

    def open(self, slot: int) -> None:
        """Begin a slot's clock."""
        self._slots[slot] = _SlotTimes(self._clock.now_us(), self._max_queued_frames)

    def close(self, slot: int) -> None:
        """Forget a slot."""
        del self._slots[slot]

    def complete(self, slot: int, complete_us: int) -> bool:
        """Note that a slot's frame was complete at this time.

        A time in the future, or before the slot's previous frame, is another clock's: it is taken
        as the nearest possible one.

        Returns:
            Whether the slot's oldest waiting frame is surplus: it is off the books, and whoever
            keeps its samples must drop them.
        """
        times = self._slots[slot]
        complete_us = min(max(complete_us, times.last_complete_us), self._clock.now_us())
        times.waiting.append(complete_us)
        times.last_complete_us = complete_us
        if not self._is_surplus(times, complete_us):
            return False
        times.waiting.popleft()
        times.replaced_frames -= 1
        self.late_frames += 1
        return True

    def _is_surplus(self, times: _SlotTimes, complete_us: int) -> bool:
        is_burst = complete_us - times.last_heard_us < BURST_WITHIN_US
        times.last_heard_us = complete_us
        times.calm_frames = 0 if is_burst else times.calm_frames + 1
        if times.calm_frames > CALM_FRAMES:
            times.replaced_frames = 0  # that sound was lost, or never made: a muted track
        return is_burst and times.replaced_frames > 0

    def starved(self) -> list[int]:
        """Slots that are owed one frame of silence now; it counts as complete."""
        now_us = self._clock.now_us()
        owed = []
        for slot, times in self._slots.items():
            late_us = now_us - times.last_complete_us - SILENCE_AFTER_US
            if times.waiting or late_us < 0:
                continue
            times.waiting.append(now_us)
            times.replaced_frames += 1
            # keeps the 80 ms beat, but never pays back a pause of the engine itself in a burst
            beat_us = times.last_complete_us + FRAME_US
            times.last_complete_us = beat_us if late_us < FRAME_US else now_us - FRAME_US
            owed.append(slot)
        self.silent_frames += len(owed)
        return owed

    def ready(self) -> list[int]:
        """Slots with a complete frame: all of them step now."""
        return [slot for slot, times in self._slots.items() if times.waiting]

    def stepped(self, slot: int) -> int:
        """Take a slot's oldest frame off the books after its step.

        Returns:
            When it was complete.
        """
        complete_us = self._slots[slot].waiting.popleft()
        if self._clock.now_us() > complete_us + DEADLINE_US:
            self.missed_deadlines += 1
        return complete_us

    def spare_us(self, step_us: int) -> int:
        """How long something else may run now before some slot's next step comes late.

        Args:
            step_us: what that step takes.
        """
        now_us, spare_us = self._clock.now_us(), FOREVER_US
        for times in self._slots.values():
            complete_us = times.waiting[0] if times.waiting else times.last_complete_us + FRAME_US
            spare_us = min(spare_us, complete_us + DEADLINE_US - step_us - now_us)
        return spare_us

    def wait_us(self, most_us: int) -> int:
        """How long nothing can become due unless a message comes, at most `most_us`."""
        now_us = self._clock.now_us()
        for times in self._slots.values():
            due_us = 0 if times.waiting else times.last_complete_us + SILENCE_AFTER_US - now_us
            most_us = min(most_us, due_us)
        return max(most_us, 0)
