import { expect, test } from 'vitest'
import { decibels, LevelMeter, peakOf, place, rmsOf } from './levels'

test('peak and RMS of a square wave are its amplitude', () => {
  const square = Float32Array.from([0.5, -0.5, 0.5, -0.5])
  expect([peakOf(square), rmsOf(square)]).toEqual([0.5, 0.5])
})

test('nothing is silence', () => {
  expect([peakOf(new Float32Array()), rmsOf(new Float32Array())]).toEqual([0, 0])
})

test.each([[1, 0], [0.1, -20], [0, -60], [1e-9, -60]])('amplitude %d is %d dB', (amplitude, db) => {
  expect(decibels(amplitude)).toBeCloseTo(db)
})

test.each([[0, 1], [-30, 0.5], [-60, 0], [-90, 0], [6, 1]])('%d dB stands at %d', (db, at) => {
  expect(place(db)).toBe(at)
})

test('the meter rises at once and falls 40 dB a second', () => {
  const meter = new LevelMeter()
  meter.update(1, 16)
  expect(meter.position).toBe(1)
  meter.update(0, 750)
  expect(meter.position).toBeCloseTo(0.5)
})

test('the held peak stays for a while, then follows', () => {
  const meter = new LevelMeter()
  meter.update(1, 16)
  meter.update(0, 800)
  expect(meter.heldPosition).toBe(1)
  meter.update(0, 800)
  expect(meter.heldPosition).toBe(meter.position)
})

test('a reset meter is at rest', () => {
  const meter = new LevelMeter()
  meter.update(1, 16)
  meter.reset()
  expect([meter.position, meter.heldPosition]).toEqual([0, 0])
})
