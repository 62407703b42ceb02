import { expect, test } from 'vitest'
import { environmentFault, faultText, microphoneFault, refusalFault, type FaultKind } from './faults'

const KINDS: FaultKind[] = [
  'not-allowed', 'not-found', 'not-readable', 'overconstrained', 'microphone', 'insecure-context',
  'no-webrtc', 'at-capacity', 'not-ready', 'too-many-tries', 'unauthorized', 'refused', 'unreachable', 'no-media',
  'connection-lost', 'ended',
]

test('every fault has a title of its own', () => {
  expect(new Set(KINDS.map((kind) => faultText({ kind }).title)).size).toBe(KINDS.length)
})

test.each([
  ['NotAllowedError', 'not-allowed'],
  ['SecurityError', 'not-allowed'],
  ['NotFoundError', 'not-found'],
  ['NotReadableError', 'not-readable'],
  ['AbortError', 'not-readable'],
  ['OverconstrainedError', 'overconstrained'],
])('%s is %s', (name, kind) => {
  expect(microphoneFault(new DOMException('', name)).kind).toBe(kind)
})

test('an unheard-of error keeps its own words', () => {
  expect(microphoneFault(new Error('strange'))).toEqual({ kind: 'microphone', detail: 'strange' })
})

test.each([
  [false, true, true, 'insecure-context'],
  [true, false, true, 'no-webrtc'],
  [true, true, false, 'no-webrtc'],
])('secure %s, peer %s, microphone %s: %s', (isSecureContext, hasPeerConnection, hasMicrophoneAccess, kind) => {
  const fault = environmentFault({ isSecureContext, hasPeerConnection, hasMicrophoneAccess })
  expect(fault?.kind).toBe(kind)
})

test('a browser with everything has no fault', () => {
  const all = { isSecureContext: true, hasPeerConnection: true, hasMicrophoneAccess: true }
  expect(environmentFault(all)).toBeNull()
})

test.each([
  ['at_capacity', 'at-capacity'],
  ['engine_unavailable', 'not-ready'],
  ['stopping', 'not-ready'],
])('status 503, %s: %s', (code, kind) => {
  expect(refusalFault(503, { detail: '', code, retryAfterS: 2 })).toEqual({ kind, retryAfterS: 2 })
})

test.each([
  [429, 'too-many-tries'],
  [401, 'unauthorized'],
  [403, 'refused'],
  [400, 'refused'],
  [413, 'refused'],
  [500, 'unreachable'],
])('status %i is %s', (status, kind) => {
  expect(refusalFault(status, { detail: '', code: '', retryAfterS: null }).kind).toBe(kind)
})

test.each([
  [20, 'about 20 seconds'],
  [0.4, 'a second'],
  [200, 'about 4 minutes'],
])('a place free in %d s is announced as %s', (retryAfterS, words) => {
  expect(faultText({ kind: 'at-capacity', retryAfterS }).advice).toContain(words)
})

test('where trying again cannot help there is no button for it', () => {
  expect(faultText({ kind: 'insecure-context' }).retry).toBeNull()
  expect(faultText({ kind: 'no-webrtc' }).retry).toBeNull()
})
