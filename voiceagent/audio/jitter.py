"""Packets in any order in, packets in order out, with holes named in time instead of waited for.

A lost packet costs one wait of at most `MAX_HOLD` packets and nothing afterwards; traffic in order
is never delayed. Loss is measured in RTP timestamps, not packet counts, so that what is filled in
is exactly the time that passed. Pure integers: no clock, no sound, no socket. Section 4: between
the gateway and `audio.framing`.

Source: RFC 3550 sections 5.1 and A.1 for sequence numbers and timestamps.
"""

from __future__ import annotations

import dataclasses
from typing import Generic, TypeVar

#: A packet this far ahead is a sender that started again, not a loss.
MAX_JUMP_PACKETS = 50
#: The longest wait for a packet that is out of order, in packets.
MAX_HOLD = 3
#: Packets in order after which one packet less is waited for: 20 s of 20 ms packets.
CALM_PACKETS = 1000

T = TypeVar("T")


def sequence_add(sequence: int, count: int) -> int:
    """`sequence + count` in 16 bits."""
    return (sequence + count) & 0xFFFF


def sequence_distance(newer: int, older: int) -> int:
    """Steps from `older` to `newer`, -32768 to 32767, across the wrap at 65536."""
    return ((newer - older + 0x8000) & 0xFFFF) - 0x8000


def timestamp_distance(newer: int, older: int) -> int:
    """Ticks from `older` to `newer`, -2^31 to 2^31 - 1, across the wrap at 2^32."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@dataclasses.dataclass(slots=True)
class JitterCounts:
    """What happened to the packets of one stream since it began."""

    received: int = 0
    lost: int = 0
    late: int = 0
    duplicate: int = 0
    restarts: int = 0


class JitterBuffer(Generic[T]):
    """Puts packets back in order. Next: `add` each packet as it arrives, use what it returns.

    A hole is given up as soon as the newest packet is `hold` ahead of it. Loss is common and wrong
    order rare, so `hold` begins at one, the packet after the hole; it grows by one with each packet
    that came too late for its place, up to `MAX_HOLD`, and shrinks in calm traffic.
    """

    def __init__(self, hold: int = 1) -> None:
        if not 1 <= hold <= MAX_HOLD:
            raise ValueError(f"hold must be 1 to {MAX_HOLD} packets, not {hold}")
        self.counts = JitterCounts()
        #: Packets waited for before a hole is given up.
        self.hold = hold
        self._next: int | None = None
        self._newest = 0
        self._waiting: dict[int, T] = {}
        self._calm = 0

    def add(self, sequence: int, packet: T) -> list[T]:
        """Take one packet.

        Args:
            sequence: RTP sequence number, 16 bits.
            packet: anything; handed back as it came.

        Returns:
            The packets whose turn it is, in order; holes between them are left out.
        """
        self.counts.received += 1
        if self._next is None:
            self._next = self._newest = sequence
        ahead = sequence_distance(sequence, self._next)
        if ahead < -MAX_JUMP_PACKETS or ahead > MAX_JUMP_PACKETS:
            return self._restart(sequence, packet)
        if ahead < 0:
            self._count_late()
            return []
        if sequence in self._waiting:
            self.counts.duplicate += 1
            return []
        self._waiting[sequence] = packet
        self._follow_order(sequence)
        return self._release()

    def _restart(self, sequence: int, packet: T) -> list[T]:
        self.counts.restarts += 1
        released = [self._waiting[key] for key in self._waiting_in_order()]
        self._waiting.clear()
        self._next, self._newest = sequence_add(sequence, 1), sequence
        return [*released, packet]

    def _waiting_in_order(self) -> list[int]:
        origin = self._next or 0
        return sorted(self._waiting, key=lambda sequence: sequence_distance(sequence, origin))

    def _count_late(self) -> None:
        self.counts.late += 1
        self.counts.lost = max(0, self.counts.lost - 1)
        self.hold = min(MAX_HOLD, self.hold + 1)
        self._calm = 0

    def _follow_order(self, sequence: int) -> None:
        if sequence_distance(sequence, self._newest) >= 0:
            self._newest = sequence
            self._calm += 1
        else:
            self._calm = 0
        if self._calm >= CALM_PACKETS:
            self.hold, self._calm = max(1, self.hold - 1), 0

    def _release(self) -> list[T]:
        assert self._next is not None, "add sets the next sequence number before it releases"
        released = []
        while self._waiting:
            packet = self._waiting.pop(self._next, None)
            if packet is not None:
                released.append(packet)
            elif sequence_distance(self._newest, self._next) >= self.hold:
                self.counts.lost += 1
            else:
                break
            self._next = sequence_add(self._next, 1)
        return released


class TimestampClock:
    """How much sound is missing before each packet, from its RTP timestamp.

    No more than `max_fill` is named for one hole: the engine feeds itself silence after that long,
    and time must not pass twice. Next: `missing_before` once a packet, in order.
    """

    def __init__(self, max_fill: int) -> None:
        if max_fill < 0:
            raise ValueError(f"max_fill must be at least 0 ticks, not {max_fill}")
        self._max_fill = max_fill
        self._expected: int | None = None

    def missing_before(self, timestamp: int, duration: int) -> int:
        """Ticks to fill in before a packet.

        Args:
            timestamp: of the packet, 32 bits.
            duration: its length in ticks of the same clock.

        Returns:
            0 to max_fill ticks; 0 for the first packet and for one that overlaps the last.
        """
        expected, self._expected = self._expected, (timestamp + duration) & 0xFFFFFFFF
        if expected is None:
            return 0
        return min(max(0, timestamp_distance(timestamp, expected)), self._max_fill)
