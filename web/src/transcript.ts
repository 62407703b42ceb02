// Words as they come, grouped into turns, and turns into passages that overlap in time. Each side
// has its own open turn: neither closes the other's, since both may speak at once. Pure; times are
// those of the conversation, in ms, except where a name says `arrival`.
import type { Side } from './protocol'

/** Silence of one side after which its next word opens a new turn. */
export const TURN_GAP_MS = 1200
/** How long a word is taken to sound. */
const WORD_MS = 280
/**
 * Where its sound lies from its time: the user's word is timed when it was understood, the agent's
 * when it begins (frames of the embedded model, 2026-11-22).
 */
const SOUND: Record<Side, { fromMs: number; toMs: number }> = {
  user: { fromMs: -WORD_MS, toMs: 0 },
  agent: { fromMs: 0, toMs: WORD_MS },
}

export interface Turn {
  readonly id: number
  readonly side: Side
  readonly startMs: number
  endMs: number
  text: string
  isClosed: boolean
}

/** Turns that sound at the same time, one after another with all others. */
export interface Passage {
  readonly user: Turn[]
  readonly agent: Turn[]
}

export class Transcript {
  readonly turns: Turn[] = []
  private readonly open: Record<Side, Turn | null> = { user: null, agent: null }
  private readonly arrivalMs: Record<Side, number> = { user: 0, agent: 0 }
  private sendsSpaces = false

  /** Takes a word or, from models that send leading spaces, a piece of one. */
  add(side: Side, text: string, timeMs: number, arrivalMs: number): void {
    const word = text.trim()
    if (!word) return
    const startsWord = /^\s/.test(text)
    this.sendsSpaces ||= startsWord
    const turn = this.turnFor(side, Math.max(0, timeMs + SOUND[side].fromMs))
    turn.text = joined(turn.text, word, startsWord || !this.sendsSpaces)
    turn.endMs = Math.max(turn.endMs, timeMs + SOUND[side].toMs)
    this.arrivalMs[side] = arrivalMs
  }

  /** Closes turns that have been silent since long before `arrivalMs`; returns those. */
  settle(arrivalMs: number): Turn[] {
    const closed: Turn[] = []
    for (const side of ['user', 'agent'] as const) {
      const turn = this.open[side]
      if (turn && arrivalMs - this.arrivalMs[side] >= TURN_GAP_MS) closed.push(this.close(turn))
    }
    return closed
  }

  /** The conversation is over: closes every turn, returns those that were open. */
  finish(): Turn[] {
    return this.turns.filter((turn) => !turn.isClosed).map((turn) => this.close(turn))
  }

  clear(): void {
    this.turns.length = 0
    this.open.user = this.open.agent = null
  }

  /** All turns by start time, those that overlap the other side's together. */
  passages(): Passage[] {
    const passages: Passage[] = []
    for (const turn of [...this.turns].sort((a, b) => a.startMs - b.startMs || a.id - b.id)) {
      const last = passages.at(-1)
      if (last && overlapsOther(last, turn)) last[turn.side].push(turn)
      else passages.push({ user: [], agent: [], [turn.side]: [turn] })
    }
    return passages
  }

  private turnFor(side: Side, startMs: number): Turn {
    const open = this.open[side]
    if (open && startMs - open.endMs < TURN_GAP_MS) return open
    if (open) this.close(open)
    const turn = {
      id: this.turns.length,
      side,
      startMs,
      endMs: startMs,
      text: '',
      isClosed: false,
    }
    this.turns.push(turn)
    this.open[side] = turn
    return turn
  }

  private close(turn: Turn): Turn {
    turn.isClosed = true
    this.open[turn.side] = null
    return turn
  }
}

/** Whether both sides speak in it. */
export function isOverlap(passage: Passage): boolean {
  return passage.user.length > 0 && passage.agent.length > 0
}

function overlapsOther(passage: Passage, turn: Turn): boolean {
  const others = passage[turn.side === 'user' ? 'agent' : 'user']
  return others.some((other) => turn.startMs < other.endMs && other.startMs < turn.endMs)
}

function joined(text: string, word: string, startsWord: boolean): string {
  if (text === '' || !startsWord || /^[.,;:!?%)’']/.test(word)) return text + word
  return `${text} ${word}`
}

/** Time in the conversation as `m:ss`. */
export function clockText(timeMs: number): string {
  const seconds = Math.max(0, Math.floor(timeMs / 1000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
