// Where a conversation stands, as a pure function of what happened. An event that does not fit the
// phase changes nothing, so late answers of a conversation already over are harmless.
import type { Fault } from './faults'

/**
 * idle -> microphone -> connecting -> waiting -> live <-> unsteady -> idle | fault.
 * `waiting`: sound flows, the agent has not said that it is ready.
 */
export type Phase = 'idle' | 'microphone' | 'connecting' | 'waiting' | 'live' | 'unsteady' | 'fault'

export interface CallState {
  readonly phase: Phase
  readonly fault: Fault | null
  readonly isAgentReady: boolean
}

export type CallEvent =
  | { kind: 'talk' }
  | { kind: 'microphone' }
  | { kind: 'connected' }
  | { kind: 'agent-ready' }
  | { kind: 'disconnected' }
  | { kind: 'hang-up' }
  | { kind: 'fault'; fault: Fault }

export const IDLE: CallState = { phase: 'idle', fault: null, isAgentReady: false }

/** A conversation is being made or held. */
export function isOpen({ phase }: CallState): boolean {
  return phase !== 'idle' && phase !== 'fault'
}

/** Sound flows, or did a moment ago. */
export function isConnected({ phase }: CallState): boolean {
  return phase === 'waiting' || phase === 'live' || phase === 'unsteady'
}

export function next(state: CallState, event: CallEvent): CallState {
  if (event.kind === 'talk') {
    return isOpen(state) ? state : { phase: 'microphone', fault: null, isAgentReady: false }
  }
  if (!isOpen(state)) return state
  switch (event.kind) {
    case 'microphone':
      return state.phase === 'microphone' ? { ...state, phase: 'connecting' } : state
    case 'connected':
      return state.phase === 'microphone' ? state : flowing(state)
    case 'agent-ready': {
      const ready = { ...state, isAgentReady: true }
      return state.phase === 'waiting' ? flowing(ready) : ready
    }
    case 'disconnected':
      return isConnected(state) ? { ...state, phase: 'unsteady' } : state
    case 'hang-up':
      return IDLE
    case 'fault':
      return { phase: 'fault', fault: event.fault, isAgentReady: false }
  }
}

function flowing(state: CallState): CallState {
  return { ...state, phase: state.isAgentReady ? 'live' : 'waiting' }
}
