import { expect, test } from 'vitest'
import { personaFields, voiceOptions } from './persona'

const status = (isPromptable: boolean, voices: string[]) => ({
  model: 'm',
  numSlots: 1,
  numFree: 1,
  authRequired: false,
  isPromptable,
  voices,
  iceServers: [],
})

test('the server’s own choice comes first', () => {
  expect(voiceOptions(['anna', 'bob']).map(({ id }) => id)).toEqual(['', 'anna', 'bob'])
})

test.each([
  [false, ['anna'], false, false],
  [true, [], true, false],
  [true, ['anna'], true, true],
])('promptable %s with voices %j: role %s, voice %s', (isPromptable, voices, role, voice) => {
  expect(personaFields(status(isPromptable, voices))).toEqual({ role, voice })
})
