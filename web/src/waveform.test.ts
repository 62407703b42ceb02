import { expect, test } from 'vitest'
import { ColumnClock, COLUMN_MS, floorOf, WaveformRing } from './waveform'

function ring(...columns: [number, number][]): WaveformRing {
  const result = new WaveformRing(16)
  for (const [user, agent] of columns) result.push(user, agent)
  return result
}

test('the newest column has age 0, the oldest is overwritten', () => {
  const short = new WaveformRing(3)
  for (const peak of [0.125, 0.25, 0.5, 1]) short.push(peak, 0)
  expect([0, 1, 2, 3].map((age) => short.peak('user', age))).toEqual([1, 0.5, 0.25, 0])
  expect(short.count).toBe(4)
})

test.each([
  [5, true],
  [6, false],
])('a gap of %i columns is bridged: %s', (length, isBridged) => {
  const gap = Array.from({ length }, (): [number, number] => [0, 0])
  const spoken = ring([0.5, 0], ...gap, [0.5, 0])
  expect(gap.map((_, index) => spoken.isSpeech('user', index + 1))).toEqual(gap.map(() => isBridged))
})

test('speech does not reach beyond its own ends', () => {
  const spoken = ring([0, 0], [0.5, 0], [0, 0.5])
  expect([0, 1, 2].map((age) => spoken.isSpeech('user', age))).toEqual([false, true, false])
  expect([0, 1].map((age) => spoken.isOverlap(age))).toEqual([false, false])
})

test('a speaker keeps the floor between syllables', () => {
  const gap = Array.from({ length: 6 }, (): [number, number] => [0, 0])
  expect(floorOf(ring([0.5, 0], ...gap))).toBe('user')
  expect(floorOf(ring([0.5, 0], ...gap, [0, 0]))).toBe('nobody')
})

test('overlap is where both speak', () => {
  expect(ring([0.5, 0.5]).isOverlap(0)).toBe(true)
  expect(ring([0.5, 0.01]).isOverlap(0)).toBe(false)
})

test.each([
  [0, 0, 'nobody'],
  [0.5, 0, 'user'],
  [0, 0.5, 'agent'],
  [0.5, 0.5, 'both'],
])('user %d, agent %d: %s has the floor', (user, agent, floor) => {
  expect(floorOf(ring([user, agent]))).toBe(floor)
})

test('a column keeps the loudest of what was fed while it lasted', () => {
  const [one, clock] = [new WaveformRing(4), new ColumnClock(0)]
  clock.feed(one, 10, 0.75, 0)
  clock.feed(one, 30, 0.25, 0.5)
  expect(one.count).toBe(0)
  clock.feed(one, COLUMN_MS, 0, 0)
  expect([one.peak('user', 0), one.peak('agent', 0)]).toEqual([0.75, 0.5])
})

test('a hidden tab leaves silence of its length, without pushing for ever', () => {
  const [one, clock] = [new WaveformRing(4), new ColumnClock(0)]
  clock.feed(one, COLUMN_MS, 1, 1)
  clock.feed(one, 4 * COLUMN_MS, 1, 1)
  expect([0, 1, 2, 3].map((age) => one.peak('user', age))).toEqual([1, 0, 0, 1])
  clock.feed(one, 1_000_000 * COLUMN_MS, 1, 1)
  expect(one.count).toBe(4 + 5)
})

test('cleared is as new', () => {
  const one = ring([1, 1])
  one.clear()
  expect([one.peak('user', 0), one.count]).toEqual([0, 0])
})
