// Round trip, jitter buffer and loss out of WebRTC's cumulative counters: each reading is the mean
// since the one before (W3C webrtc-stats, `jitterBufferDelay` and `packetsLost`).

export interface LinkStats {
  rttMs: number | null
  jitterBufferMs: number | null
  lostPercent: number | null
  /** 48 kHz samples of the agent that have left the jitter buffer since the start. */
  emittedSamples: number
}

type Entry = Record<string, unknown> & { id: string; type: string }
type Counters = { delayS: number; emitted: number; received: number; lost: number }

const ZERO: Counters = { delayS: 0, emitted: 0, received: 0, lost: 0 }

function number(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}

export class StatsReader {
  private before: Counters = ZERO

  /** Reads one report; a gap in it (no packets since the last) is null, not zero. */
  read(report: Iterable<unknown>): LinkStats {
    const entries = [...report] as Entry[]
    const now = counters(entries.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio'))
    const { before } = this
    this.before = now
    const emitted = now.emitted - before.emitted
    const lost = Math.max(0, now.lost - before.lost)
    const expected = now.received - before.received + lost
    return {
      rttMs: roundTripMs(entries),
      jitterBufferMs: emitted > 0 ? ((now.delayS - before.delayS) / emitted) * 1000 : null,
      lostPercent: expected > 0 ? (lost / expected) * 100 : null,
      emittedSamples: now.emitted,
    }
  }
}

function counters(inbound: Entry | undefined): Counters {
  if (!inbound) return ZERO
  return {
    delayS: number(inbound.jitterBufferDelay),
    emitted: number(inbound.jitterBufferEmittedCount),
    received: number(inbound.packetsReceived),
    lost: number(inbound.packetsLost),
  }
}

function roundTripMs(entries: Entry[]): number | null {
  const chosen = entries.find((one) => one.type === 'transport')?.selectedCandidatePairId
  const pairs = entries.filter((one) => one.type === 'candidate-pair')
  const pair =
    pairs.find((one) => one.id === chosen) ??
    pairs.find((one) => one.nominated === true && one.state === 'succeeded')
  const seconds = pair?.currentRoundTripTime
  return typeof seconds === 'number' && Number.isFinite(seconds) ? seconds * 1000 : null
}
