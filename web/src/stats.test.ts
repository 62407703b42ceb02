import { expect, test } from 'vitest'
import { StatsReader } from './stats'

const inbound = (delay: number, emitted: number, received: number, packetsLost: number) => ({
  id: 'in',
  type: 'inbound-rtp',
  kind: 'audio',
  jitterBufferDelay: delay,
  jitterBufferEmittedCount: emitted,
  packetsReceived: received,
  packetsLost,
})
const pair = (id: string, seconds: number, nominated = true) => ({
  id,
  type: 'candidate-pair',
  state: 'succeeded',
  nominated,
  currentRoundTripTime: seconds,
})

test('the jitter buffer is the mean since the last reading', () => {
  const reader = new StatsReader()
  reader.read([inbound(48000 * 0.03, 48000, 50, 0)])
  const { jitterBufferMs, emittedSamples } = reader.read([inbound(48000 * 0.03 + 48000 * 0.05, 96000, 100, 0)])
  expect(jitterBufferMs).toBeCloseTo(50)
  expect(emittedSamples).toBe(96000)
})

test('loss is the share since the last reading', () => {
  const reader = new StatsReader()
  reader.read([inbound(0, 0, 50, 10)])
  expect(reader.read([inbound(0, 0, 99, 11)]).lostPercent).toBeCloseTo(2)
})

test('a late packet that undoes a loss is no negative loss', () => {
  const reader = new StatsReader()
  reader.read([inbound(0, 0, 50, 3)])
  expect(reader.read([inbound(0, 0, 100, 1)]).lostPercent).toBe(0)
})

test('nothing received is unknown, not zero', () => {
  expect(new StatsReader().read([])).toEqual({
    rttMs: null,
    jitterBufferMs: null,
    lostPercent: null,
    emittedSamples: 0,
  })
})

test('the round trip is that of the pair the transport chose', () => {
  const transport = { id: 't', type: 'transport', selectedCandidatePairId: 'b' }
  expect(new StatsReader().read([pair('a', 0.2), pair('b', 0.012), transport]).rttMs).toBeCloseTo(12)
})

test('without a transport entry (Firefox) it is that of the nominated pair', () => {
  expect(new StatsReader().read([pair('a', 0.2, false), pair('b', 0.012)]).rttMs).toBeCloseTo(12)
})
