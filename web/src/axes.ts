// The four axes of Full-Duplex-Bench of one conversation, as the gateway counts them, and the words
// for them. Pure. They are estimates, and `labels` says so wherever they are shown.
import { finite, isObject } from './json'
import type { Holder } from './protocol'

/** So many of so many. */
export interface Share {
  count: number
  of: number
}

/** Milliseconds; null before the first. */
export interface Spread {
  last: number | null
  p50: number | null
}

export interface Axes {
  /** "estimated": nobody annotated the conversation. */
  labels: string
  pausesHeld: Share
  floorKept: Share
  turnsTaken: Share
  interruptionsHonoured: Share
  backchannels: number
  turnLatencyMs: Spread
  stopMs: Spread
}

export function parseAxes(value: unknown): Axes | null {
  if (!isObject(value) || typeof value.labels !== 'string' || !finite(value.backchannels)) return null
  const shares = [
    value.pauses_held,
    value.floor_kept,
    value.turns_taken,
    value.interruptions_honoured,
  ].map(parseShare)
  const spreads = [value.turn_latency_ms, value.stop_ms].map(parseSpread)
  if (shares.includes(null) || spreads.includes(null)) return null
  const [pausesHeld, floorKept, turnsTaken, interruptionsHonoured] = shares as [Share, Share, Share, Share]
  const [turnLatencyMs, stopMs] = spreads as [Spread, Spread]
  const { labels, backchannels } = value
  return {
    labels,
    pausesHeld,
    floorKept,
    turnsTaken,
    interruptionsHonoured,
    backchannels,
    turnLatencyMs,
    stopMs,
  }
}

function parseShare(value: unknown): Share | null {
  if (!isObject(value) || !finite(value.count) || !finite(value.of)) return null
  return { count: value.count, of: value.of }
}

function parseSpread(value: unknown): Spread | null {
  if (!isObject(value)) return null
  const { last, p50 } = value
  if ((last !== null && !finite(last)) || (p50 !== null && !finite(p50))) return null
  return { last, p50 }
}

export function shareText({ count, of }: Share): string {
  return of === 0 ? '–' : `${count} of ${of}`
}

/** The last and the median. */
export function spreadText({ last, p50 }: Spread): string {
  return last === null || p50 === null ? '–' : `${last} / ${p50} ms`
}

const HOLDERS: Record<Holder, string> = { nobody: 'nobody', user: 'you', agent: 'agent' }

export function holderText(holder: Holder): string {
  return HOLDERS[holder]
}

const STATES: Record<string, string> = {
  start: 'waiting for you',
  listen: 'listening',
  user_pause: 'waiting: you paused',
  take: 'about to speak',
  speak: 'speaking',
  overlap: 'spoken over',
  yield: 'giving way',
  agent_bc: 'saying “mm-hm”',
  stuck: 'stuck',
  ended: 'done',
}

/** What the turn-taking policy has the agent do; a state of a later version keeps its name. */
export function stateText(state: string | null): string {
  return state === null ? '–' : (STATES[state] ?? state)
}

/** One axis of a conversation that is over. */
export interface AxisLine {
  value: string
  name: string
  detail: string
}

/** The four axes in short, in the order of the report. */
export function axisLines(axes: Axes): AxisLine[] {
  const { backchannels, turnLatencyMs, stopMs } = axes
  return [
    { value: shareText(axes.pausesHeld), name: 'pauses held', detail: '' },
    {
      value: shareText(axes.floorKept),
      name: 'turns not cut into',
      detail: backchannels ? `“mm-hm” ${backchannels === 1 ? 'once' : `${backchannels} times`}` : '',
    },
    { value: shareText(axes.turnsTaken), name: 'turns answered', detail: typically(turnLatencyMs) },
    {
      value: shareText(axes.interruptionsHonoured),
      name: 'interruptions honoured',
      detail: typically(stopMs),
    },
  ]
}

function typically({ p50 }: Spread): string {
  return p50 === null ? '' : `after ${(p50 / 1000).toFixed(2)} s`
}

/** The same as one sentence, for whoever does not see it. */
export function spoken(axes: Axes): string {
  const said = axisLines(axes).filter(({ value }) => value !== '–')
  if (said.length === 0) return 'The conversation is over. Nobody took a turn.'
  const list = said.map(({ value, name }) => `${value} ${name}`).join(', ')
  return `The conversation is over. ${list}, ${axes.labels}.`
}
