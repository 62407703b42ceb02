import { expect, test } from 'vitest'
import { IDLE, isConnected, isOpen, next, type CallEvent, type CallState } from './call-state'

function after(...events: (CallEvent | CallEvent['kind'])[]): CallState {
  return events.reduce<CallState>((state, event) => {
    return next(state, typeof event === 'string' ? ({ kind: event } as CallEvent) : event)
  }, IDLE)
}

const LOST: CallEvent = { kind: 'fault', fault: { kind: 'connection-lost' } }

test('a conversation goes live when sound flows and the agent is ready', () => {
  expect(after('talk').phase).toBe('microphone')
  expect(after('talk', 'microphone').phase).toBe('connecting')
  expect(after('talk', 'microphone', 'connected').phase).toBe('waiting')
  expect(after('talk', 'microphone', 'connected', 'agent-ready').phase).toBe('live')
})

test('an agent that is ready first is not waited for', () => {
  expect(after('talk', 'microphone', 'agent-ready', 'connected').phase).toBe('live')
})

test('a line that returns goes on where it was', () => {
  const live = ['talk', 'microphone', 'connected', 'agent-ready'] as const
  expect(after(...live, 'disconnected').phase).toBe('unsteady')
  expect(after(...live, 'disconnected', 'connected').phase).toBe('live')
})

test('hanging up leads back to the start from every open phase', () => {
  expect(after('talk', 'hang-up')).toEqual(IDLE)
  expect(after('talk', 'microphone', 'connected', 'hang-up')).toEqual(IDLE)
})

test('a fault is kept until the next try', () => {
  expect(after('talk', LOST)).toEqual({ phase: 'fault', fault: { kind: 'connection-lost' }, isAgentReady: false })
  expect(after('talk', LOST, 'talk').fault).toBeNull()
})

test.each<CallEvent | CallEvent['kind']>(['microphone', 'connected', 'agent-ready', 'disconnected', 'hang-up', LOST])(
  'what comes late changes nothing: %j',
  (event) => {
    expect(after(event)).toBe(IDLE)
    expect(after('talk', LOST, event)).toEqual(after('talk', LOST))
  },
)

test('talking while talking changes nothing', () => {
  expect(after('talk', 'microphone', 'talk').phase).toBe('connecting')
})

test('open and connected are told apart', () => {
  expect([after(), after('talk'), after('talk', LOST)].map(isOpen)).toEqual([false, true, false])
  expect(isConnected(after('talk', 'microphone'))).toBe(false)
  expect(isConnected(after('talk', 'microphone', 'connected'))).toBe(true)
})
