import { expect, test } from 'vitest'
import { PlayoutCursor } from './playout'

function played(emitted: number, ...timestamps: number[]): number {
  const cursor = new PlayoutCursor()
  cursor.start(timestamps[0]!, emitted)
  timestamps.slice(1).forEach((timestamp) => cursor.advance(timestamp))
  return cursor.playedMs
}

test('what was played before the first reading counts', () => {
  expect(played(4800, 1000)).toBe(100)
})

test('a second of timestamps is a second, lost packets included', () => {
  expect(played(0, 1000, 49_000)).toBe(1000)
})

test('timestamps wrap at 32 bit', () => {
  expect(played(0, 2 ** 32 - 4800, 4800)).toBe(200)
})

test('an older timestamp changes nothing', () => {
  expect(played(0, 10_000, 14_800, 12_000, 14_800)).toBe(100)
})

test('before the start nothing is played', () => {
  const cursor = new PlayoutCursor()
  cursor.advance(48_000)
  expect([cursor.isStarted, cursor.playedMs]).toEqual([false, 0])
})
