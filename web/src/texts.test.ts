import { expect, test } from 'vitest'
import { IDLE, type CallState, type Phase } from './call-state'
import { announcement, headline, lead, measure, note, serviceLine, talkLabel } from './texts'

const at = (phase: Phase): CallState => ({ phase, fault: null, isAgentReady: true })
const DENIED: CallState = { phase: 'fault', fault: { kind: 'not-allowed' }, isAgentReady: false }
const INSECURE: CallState = { ...DENIED, fault: { kind: 'insecure-context' } }

test('the headline of a live conversation says who has the floor', () => {
  const floors = (['nobody', 'user', 'agent', 'both'] as const).map((floor) => headline(at('live'), floor))
  expect(floors).toEqual(['Listening.', 'You are speaking.', 'It is speaking.', 'Both at once.'])
})

test('a fault speaks through headline, lead and announcement', () => {
  expect(headline(DENIED, 'nobody')).toBe('The microphone is blocked.')
  expect(announcement(DENIED)).toBe(`${headline(DENIED, 'nobody')} ${lead(DENIED)}`)
})

test('the page says what to ask, and what the model is', () => {
  expect(lead(IDLE)).toContain('what is three plus four?')
  expect(note(IDLE)).toContain('closed domain')
  expect(note(DENIED)).toBe('')
})

test.each<[CallState, string | null]>([
  [IDLE, 'Talk'],
  [at('microphone'), 'Cancel'],
  [at('connecting'), 'Cancel'],
  [at('waiting'), 'Hang up'],
  [at('live'), 'Hang up'],
  [at('unsteady'), 'Hang up'],
  [DENIED, 'Try again'],
  [INSECURE, null],
])('%j: the button says %j', (state, label) => expect(talkLabel(state)).toBe(label))

test.each([
  [3, 4, false, 'nano · 3 of 4 places free'],
  [1, 1, false, 'nano · 1 of 1 place free'],
  [0, 4, false, 'nano · all 4 places taken'],
  [3, 4, true, 'nano · asks for a key'],
])('%i of %i free, key %s: %s', (numFree, numSlots, authRequired, text) => {
  expect(serviceLine({ model: 'nano', numFree, numSlots, authRequired, isPromptable: false, voices: [], iceServers: [] }, false)).toBe(text)
})

test('no answer is said so', () => expect(serviceLine('unreachable', true)).toBe('server not answering'))

test.each([
  [null, 'ms', '–'],
  [4.26, 'ms', '4.3 ms'],
  [42.6, 'ms', '43 ms'],
  [0, '%', '0.0%'],
  [7, '', '7'],
] as const)('%j %s reads %s', (value, unit, text) => expect(measure(value, unit)).toBe(text))
