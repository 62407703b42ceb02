"""The agent's sound on its way out: bounded, paced, and never more than a little behind.

80 ms frames come in when the engine is done with them, packets of 20 ms leave by the clock.
Three rules keep the delay from growing, as it does where silence is put in front of late sound and
nothing takes it out again: what does not fit is dropped, oldest first; after a stall packets are
skipped and never sent in a burst; sound that always waits is cut out, a packet at a time, or
at once where it is silence.
Pure: no clock of its own, no WebRTC (that is `track`), no telephone (`phone.mouth`).
"""

from __future__ import annotations

import dataclasses
from collections import deque

import numpy as np

from voiceagent.audio.framing import (
    FRAME_SAMPLES,
    PACKET_MS,
    PACKET_SAMPLES,
    SAMPLE_RATE_HZ,
    Samples,
)

PACKET_US = PACKET_MS * 1000
#: A packet later than this is given up.
MAX_LATE_US = 60_000
#: Most sound that may wait: a frame that has just come, and two packets before it.
MAX_QUEUED_MS = 120
#: Sound that waited all the time over this many packets of 20 ms is too much: one second.
WINDOW_PACKETS = 50
#: An underrun within this many packets of a cut means that the cut was wrong.
REGRET_PACKETS = 250
#: After this many packets without an underrun less sound is kept waiting.
CALM_PACKETS = 1500
MAX_SLACK_PACKETS = 2
#: Samples below this may be cut out at will: -60 dB.
QUIET = 1e-3
FADE_SAMPLES = SAMPLE_RATE_HZ * 5 // 1000
#: For so long it is remembered what each packet held, for the listener's reports.
REMEMBERED_MS = 5000


@dataclasses.dataclass(slots=True)
class PlayoutCounts:
    """What happened to one stream since it began.

    Attributes:
        dropped_samples: thrown away because too much waited.
        trimmed_samples: cut out because they always waited.
        flushed_samples: made void by the agent's falling silent.
        underruns: packets filled up with silence between two sounds.
        skipped_packets: not sent because the loop was late.
    """

    dropped_samples: int = 0
    trimmed_samples: int = 0
    flushed_samples: int = 0
    underruns: int = 0
    skipped_packets: int = 0


class Pacer:
    """When the next packet is due. Next: `wait_us`, sleep that long, `take`."""

    def __init__(self) -> None:
        self._begin_us: int | None = None
        #: Number of the next packet; its RTP time, so that a skip is a hole and not a burst.
        self.packet = 0

    @property
    def has_begun(self) -> bool:
        """Whether packets are asked for."""
        return self._begin_us is not None

    def wait_us(self, now_us: int) -> int:
        """How long until the next packet is due; 0 when it is."""
        if self._begin_us is None:
            self._begin_us = now_us
        return max(0, self._begin_us + self.packet * PACKET_US - now_us)

    def take(self, now_us: int) -> tuple[int, int]:
        """The number of the packet to send now, and how many were skipped before it."""
        assert self._begin_us is not None, "wait_us comes before take"
        late_us = now_us - (self._begin_us + self.packet * PACKET_US)
        skipped = late_us // PACKET_US if late_us > MAX_LATE_US else 0
        packet = self.packet + skipped
        self.packet = packet + 1
        return packet, skipped


class PlayoutBuffer:
    """Next: `push` what the engine gives, `take` a packet whenever one is due."""

    def __init__(self, max_queued_ms: int = MAX_QUEUED_MS) -> None:
        """Room for so much sound.

        Raises:
            ValueError: less than two packets of room.
        """
        if max_queued_ms < 2 * PACKET_MS:
            raise ValueError(f"max_queued_ms must be at least {2 * PACKET_MS}, not {max_queued_ms}")
        self.counts = PlayoutCounts()
        self._max_samples = max_queued_ms * SAMPLE_RATE_HZ // 1000
        self._queued = np.empty(0, np.float32)
        self._is_playing = False
        self._least_samples = self._max_samples
        self._window = 0
        self._slack_packets = 0
        self._since_trim = REGRET_PACKETS
        self._since_underrun = 0

    @property
    def queued_samples(self) -> int:
        """Sound that waits."""
        return self._queued.size

    @property
    def queued_ms(self) -> int:
        """Sound that waits."""
        return self._queued.size * 1000 // SAMPLE_RATE_HZ

    def push(self, pcm: Samples) -> None:
        """Append float32 [N], 24 kHz; what is too much is dropped from the front."""
        excess = self._queued.size + pcm.size - self._max_samples
        self._queued = np.concatenate([self._queued, pcm])
        if excess > 0:
            self.counts.dropped_samples += excess
            self._cut(excess)

    def flush(self, pcm: Samples) -> None:
        """Go over to this sound now: all that waits is void."""
        void = self._queued.size
        self.counts.flushed_samples += void
        self._queued = np.concatenate([self._queued, pcm])
        self._cut(void)

    def take(self) -> Samples:
        """The next packet: float32 [PACKET_SAMPLES], silence where there is nothing."""
        packet = np.zeros(PACKET_SAMPLES, np.float32)
        count = min(packet.size, self._queued.size)
        packet[:count] = self._queued[:count]
        self._queued = self._queued[count:]
        if count < packet.size:
            self._underrun(packet[:count])
        elif not self._is_playing:
            packet[:FADE_SAMPLES] *= np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
        self._is_playing = count == packet.size
        self._watch_level()
        return packet

    def _underrun(self, sound: Samples) -> None:
        fade = min(FADE_SAMPLES, sound.size)
        if fade:
            sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
        if not self._is_playing:
            return
        self.counts.underruns += 1
        self._since_underrun = 0
        if self._since_trim < REGRET_PACKETS:
            self._slack_packets = min(MAX_SLACK_PACKETS, self._slack_packets + 1)

    def _watch_level(self) -> None:
        self._since_trim += 1
        self._since_underrun += 1
        if self._since_underrun >= CALM_PACKETS:
            self._slack_packets, self._since_underrun = max(0, self._slack_packets - 1), 0
        self._least_samples = min(self._least_samples, self._queued.size)
        self._window += 1
        if self._window < WINDOW_PACKETS:
            return
        self._trim(self._least_samples // PACKET_SAMPLES - self._slack_packets)
        self._least_samples, self._window = self._max_samples, 0

    def _trim(self, excess_packets: int) -> None:
        """Cut out what always waited: a packet, or all of it where nobody can hear it."""
        if excess_packets <= 0:
            return
        count = excess_packets * PACKET_SAMPLES
        if np.abs(self._queued[: count + FADE_SAMPLES]).max() > QUIET:
            count = PACKET_SAMPLES
        self.counts.trimmed_samples += count
        self._since_trim = 0
        self._cut(count)

    def _cut(self, count: int) -> None:
        """Take out the oldest `count` samples, cross-faded into what follows."""
        fade = min(FADE_SAMPLES, self._queued.size - count, count)
        rest = self._queued[count:].copy()
        if fade > 0:
            rise = np.linspace(0, 1, fade, dtype=np.float32)
            rest[:fade] = rest[:fade] * rise + self._queued[:fade] * (1 - rise)
        self._queued = rest


class AgentPlayout:
    """The agent's frames on their way out, and how much of them a listener has had.

    Next: `push` frames; for each packet that is sent, `take` it with its number.
    """

    def __init__(self) -> None:
        self._buffer = PlayoutBuffer()
        self._generation = 0
        # where in the agent's sound the queue ends, and where each packet sent did
        self._end_samples = 0
        self._sent: deque[tuple[int, int]] = deque(maxlen=REMEMBERED_MS // PACKET_MS)

    @property
    def counts(self) -> PlayoutCounts:
        """Sound dropped, skipped, missing."""
        return self._buffer.counts

    @property
    def queued_ms(self) -> int:
        """Sound that waits to be sent."""
        return self._buffer.queued_ms

    def push(self, pcm: Samples, step: int | None = None, generation: int = 0) -> None:
        """Append sound.

        Args:
            pcm: float32 [N], 24 kHz.
            step: of the session that made it, where it is a frame of the agent's.
            generation: a newer one than the last makes void what waits.
        """
        self._end_samples += pcm.size
        if step is not None:  # frames may be missing between two
            self._end_samples = (step + 1) * FRAME_SAMPLES
        if generation > self._generation:
            self._generation = generation
            self._buffer.flush(pcm)
        else:
            self._buffer.push(pcm)

    def take(self, number: int) -> Samples:
        """What packet `number` shall hold: float32 [PACKET_SAMPLES]."""
        packet = self._buffer.take()
        self._sent.append((number, self._end_samples - self._buffer.queued_samples))
        return packet

    def heard_ms(self, played_ms: int) -> int:
        """How much of the agent's sound a listener has had who has played so much of it all."""
        packets = played_ms // PACKET_MS
        heard = [end for number, end in self._sent if number < packets]
        return (heard[-1] if heard else 0) * 1000 // SAMPLE_RATE_HZ
