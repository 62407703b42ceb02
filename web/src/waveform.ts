// The last seconds of two voices as columns of 40 ms, newest last, in fixed storage. Says where
// both sound at once; draws nothing.

export const COLUMN_MS = 40
/** Peak from which a column counts as speech: -34 dB full scale, above room noise after AEC. */
export const SPEECH_PEAK = 0.02
/** Speech is taken to go on between syllables up to this many columns apart. */
const BRIDGE_COLUMNS = 6

export type Voice = 'user' | 'agent'

export class WaveformRing {
  private readonly peaks: Record<Voice, Float32Array>
  private end = 0
  /** Columns pushed since the last `clear`. */
  count = 0

  constructor(readonly length: number) {
    this.peaks = { user: new Float32Array(length), agent: new Float32Array(length) }
  }

  push(user: number, agent: number): void {
    this.peaks.user[this.end] = user
    this.peaks.agent[this.end] = agent
    this.end = (this.end + 1) % this.length
    this.count += 1
  }

  clear(): void {
    this.peaks.user.fill(0)
    this.peaks.agent.fill(0)
    this.count = 0
  }

  /** Peak `age` columns ago, 0 the newest; 0 beyond what is kept. */
  peak(voice: Voice, age: number): number {
    if (age < 0 || age >= this.length) return 0
    return this.peaks[voice][(this.end - 1 - age + 2 * this.length) % this.length] ?? 0
  }

  /** Whether the voice speaks `age` columns ago, short gaps between syllables included. */
  isSpeech(voice: Voice, age: number): boolean {
    const since = this.firstLoud(voice, age, 1)
    const until = this.firstLoud(voice, age, -1)
    return since + until <= BRIDGE_COLUMNS
  }

  /** Whether the voice has spoken within the last 280 ms. */
  isRecent(voice: Voice): boolean {
    return this.firstLoud(voice, 0, 1) <= BRIDGE_COLUMNS
  }

  /** Columns from `age` to the nearest loud one, into the past (1) or the present (-1). */
  private firstLoud(voice: Voice, age: number, direction: 1 | -1): number {
    let distance = 0
    while (distance <= BRIDGE_COLUMNS) {
      if (this.peak(voice, age + direction * distance) >= SPEECH_PEAK) return distance
      distance += 1
    }
    return distance
  }

  isOverlap(age: number): boolean {
    return this.isSpeech('user', age) && this.isSpeech('agent', age)
  }
}

/** Gathers peaks between columns and says how many columns are due, also after a hidden tab. */
export class ColumnClock {
  private user = 0
  private agent = 0
  private dueMs: number

  constructor(startMs: number) {
    this.dueMs = startMs + COLUMN_MS
  }

  /** Takes peaks heard up to `nowMs`; fills the ring with every column that is complete. */
  feed(ring: WaveformRing, nowMs: number, user: number, agent: number): void {
    this.user = Math.max(this.user, user)
    this.agent = Math.max(this.agent, agent)
    const due = Math.floor((nowMs - this.dueMs) / COLUMN_MS) + 1
    if (due <= 0) return
    const silent = Math.min(due - 1, ring.length)
    for (let column = 0; column < silent; column++) ring.push(0, 0)
    ring.push(this.user, this.agent)
    this.user = this.agent = 0
    this.dueMs += due * COLUMN_MS
  }
}

export type Floor = 'nobody' | Voice | 'both'

/** Who has been speaking just now. */
export function floorOf(ring: WaveformRing): Floor {
  const [user, agent] = [ring.isRecent('user'), ring.isRecent('agent')]
  if (user && agent) return 'both'
  return user ? 'user' : agent ? 'agent' : 'nobody'
}
