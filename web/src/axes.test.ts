import { expect, test } from 'vitest'
import { axisLines, holderText, parseAxes, shareText, spoken, spreadText, stateText, type Axes } from './axes'

const NONE = { count: 0, of: 0 }
const NEVER = { last: null, p50: null }
const EMPTY: Axes = {
  labels: 'estimated',
  pausesHeld: NONE,
  floorKept: NONE,
  turnsTaken: NONE,
  interruptionsHonoured: NONE,
  backchannels: 0,
  turnLatencyMs: NEVER,
  stopMs: NEVER,
}
const CALL: Axes = {
  ...EMPTY,
  pausesHeld: { count: 1, of: 2 },
  floorKept: { count: 3, of: 3 },
  turnsTaken: { count: 2, of: 3 },
  backchannels: 2,
  turnLatencyMs: { last: 600, p50: 480 },
}

test('of nothing there is no share and no time', () => {
  expect([shareText(NONE), spreadText(NEVER)]).toEqual(['–', '–'])
  expect([shareText(CALL.pausesHeld), spreadText(CALL.turnLatencyMs)]).toEqual(['1 of 2', '600 / 480 ms'])
})

test('the four axes are told in the order of the report', () => {
  expect(axisLines(CALL)).toEqual([
    { value: '1 of 2', name: 'pauses held', detail: '' },
    { value: '3 of 3', name: 'turns not cut into', detail: '“mm-hm” 2 times' },
    { value: '2 of 3', name: 'turns answered', detail: 'after 0.48 s' },
    { value: '–', name: 'interruptions honoured', detail: '' },
  ])
})

test('who does not see them hears those that there are, and that they are estimated', () => {
  expect(spoken(CALL)).toBe(
    'The conversation is over. 1 of 2 pauses held, 3 of 3 turns not cut into, 2 of 3 turns answered, estimated.',
  )
  expect(spoken(EMPTY)).toBe('The conversation is over. Nobody took a turn.')
})

test.each([
  ['listen', 'listening'],
  ['user_pause', 'waiting: you paused'],
  ['daydream', 'daydream'],
  [null, '–'],
])('state %j reads %s', (state, text) => expect(stateText(state)).toBe(text))

test('the floor is somebody’s or nobody’s', () => {
  expect((['nobody', 'user', 'agent'] as const).map(holderText)).toEqual(['nobody', 'you', 'agent'])
})

test.each([null, 7, [], {}, { labels: 'estimated', backchannels: '0' }])('%j is no axes', (value) => {
  expect(parseAxes(value)).toBeNull()
})
