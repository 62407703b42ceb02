// Loudness for the eye: dB full scale to a place on the meter, up at once and down slowly as a
// needle does.

const FLOOR_DB = -60
const FALL_DB_PER_S = 40
const HOLD_MS = 900

/** Loudest sample, 0 to 1. */
export function peakOf(samples: Float32Array): number {
  let peak = 0
  for (const sample of samples) peak = Math.max(peak, Math.abs(sample))
  return peak
}

export function rmsOf(samples: Float32Array): number {
  if (samples.length === 0) return 0
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return Math.sqrt(sum / samples.length)
}

/** dB full scale, never below the meter's floor. */
export function decibels(amplitude: number): number {
  return amplitude > 0 ? Math.max(FLOOR_DB, 20 * Math.log10(amplitude)) : FLOOR_DB
}

/** Place on the meter, 0 to 1, of a level in dB full scale. */
export function place(db: number): number {
  return Math.min(1, Math.max(0, (db - FLOOR_DB) / -FLOOR_DB))
}

export class LevelMeter {
  private db = FLOOR_DB
  private heldDb = FLOOR_DB
  private heldForMs = 0

  /** Takes the RMS of the last `elapsedMs`. */
  update(rms: number, elapsedMs: number): void {
    const db = decibels(rms)
    this.db = Math.max(db, this.db - (FALL_DB_PER_S * elapsedMs) / 1000)
    this.heldForMs += elapsedMs
    if (db >= this.heldDb || this.heldForMs > HOLD_MS) {
      this.heldDb = this.db
      this.heldForMs = 0
    }
  }

  reset(): void {
    this.db = this.heldDb = FLOOR_DB
    this.heldForMs = 0
  }

  get position(): number {
    return place(this.db)
  }

  get heldPosition(): number {
    return place(this.heldDb)
  }
}
