// How much of the agent's audio this page has played, from the RTP timestamps of what leaves the
// jitter buffer: lost packets count as played, as they do on the agent's clock. Timestamps are
// 32 bit and wrap (RFC 3550, section 5.1); Opus counts at 48 kHz whatever its bandwidth.

const TICKS_PER_MS = 48

export class PlayoutCursor {
  private last: number | null = null
  private ticks = 0

  /** Whether `start` has been called. */
  get isStarted(): boolean {
    return this.last !== null
  }

  /**
   * Starts counting; call `advance` next.
   * @param emittedSamples what had been played before, 48 kHz samples
   */
  start(rtpTimestamp: number, emittedSamples: number): void {
    this.last = rtpTimestamp
    this.ticks = emittedSamples
  }

  /** Moves on to the newest timestamp played; an older one changes nothing. */
  advance(rtpTimestamp: number): void {
    if (this.last === null) return
    const delta = (rtpTimestamp - this.last) | 0
    if (delta <= 0) return
    this.ticks += delta
    this.last = rtpTimestamp
  }

  get playedMs(): number {
    return Math.floor(this.ticks / TICKS_PER_MS)
  }
}
