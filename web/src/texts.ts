// What the page says about where the conversation stands: headline, lead, buttons, the service line.
// Pure; faults have their own texts in faults.ts.
import { type CallState, type Phase } from './call-state'
import { faultText } from './faults'
import type { GatewayStatus } from './protocol'
import type { Floor } from './waveform'

export const TRY_LINE = 'Try: “what is three plus four?” · “when do you open on monday?”'
const DEMONSTRATION =
  'This is a demonstration model for a closed domain: it adds and subtracts up to twenty, knows ' +
  'opening hours, day and time, spells names back and politely declines the rest.'

const HEADLINES: Record<Exclude<Phase, 'live' | 'fault'>, string> = {
  idle: 'It listens while it talks.',
  microphone: 'Allow the microphone.',
  connecting: 'Connecting.',
  waiting: 'Waiting for the agent.',
  unsteady: 'The line is unsteady.',
}

const FLOORS: Record<Floor, string> = {
  nobody: 'Listening.',
  user: 'You are speaking.',
  agent: 'It is speaking.',
  both: 'Both at once.',
}

const LEADS: Record<Exclude<Phase, 'fault'>, string> = {
  idle: TRY_LINE,
  microphone: 'The browser is asking whether this page may hear you.',
  connecting: 'Opening a path for two voices.',
  waiting: 'The path is open.',
  live: TRY_LINE,
  unsteady: 'Nothing has come through for a moment. Waiting for it to return.',
}

export function headline({ phase, fault }: CallState, floor: Floor): string {
  if (phase === 'live') return FLOORS[floor]
  return phase === 'fault' ? faultText(fault!).title : HEADLINES[phase]
}

export function lead({ phase, fault }: CallState): string {
  return phase === 'fault' ? faultText(fault!).advice : LEADS[phase]
}

/** The quieter line below: what the model is, or what to try next. */
export function note({ phase }: CallState): string {
  if (phase === 'idle') return DEMONSTRATION
  return phase === 'live' ? 'Interrupt it, or say “uh huh” while it speaks.' : ''
}

/** Spoken to screen readers when the phase changes; the headline itself follows every word. */
export function announcement(state: CallState): string {
  if (state.phase === 'idle') return ''
  if (state.phase === 'live') return 'Connected. The agent is listening.'
  return `${headline(state, 'nobody')} ${lead(state)}`
}

/** Label of the one button that starts and ends; null where nothing can be started. */
export function talkLabel({ phase, fault }: CallState): string | null {
  if (phase === 'idle') return 'Talk'
  if (phase === 'fault') return faultText(fault!).retry
  return phase === 'microphone' || phase === 'connecting' ? 'Cancel' : 'Hang up'
}

/** The line at the top: model and places; `unreachable` where the gateway did not answer. */
export function serviceLine(status: GatewayStatus | 'unreachable', hasToken: boolean): string {
  if (status === 'unreachable') return 'server not answering'
  const { model, numFree, numSlots } = status
  if (status.authRequired && !hasToken) return `${model} · asks for a key`
  if (numFree <= 0) return `${model} · all ${numSlots} places taken`
  return `${model} · ${numFree} of ${numSlots} ${numSlots === 1 ? 'place' : 'places'} free`
}

/** A number of the latency panel; a dash where there is none yet. */
export function measure(value: number | null, unit: 'ms' | '%' | ''): string {
  if (value === null) return '–'
  const digits = value < 10 && unit !== '' ? 1 : 0
  const space = unit === 'ms' ? ' ' : ''
  return `${value.toFixed(digits)}${space}${unit}`
}
