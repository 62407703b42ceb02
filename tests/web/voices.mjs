// Sound that looks and meters like speech, for pictures of the page: a buzz with the envelope of
// syllables. Nobody could understand it; no model hears it.

const RATE_HZ = 48_000

/** A mono 16 bit wav with the buzz in the given [start, end] seconds. */
export function speechLikeWav(totalS, phrases, pitchHz = 140) {
  const samples = new Int16Array(totalS * RATE_HZ)
  for (const [startS, endS] of phrases) {
    for (let n = startS * RATE_HZ; n < endS * RATE_HZ; n++) {
      const t = n / RATE_HZ
      const syllable = Math.abs(Math.sin(Math.PI * 4.3 * t)) ** 1.5 * (0.65 + 0.35 * Math.sin(7.1 * t))
      let sum = 0
      for (let k = 1; k <= 12; k++) sum += Math.sin(2 * Math.PI * pitchHz * k * t) / k
      samples[n] = 9000 * syllable * sum
    }
  }
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.byteLength, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(RATE_HZ, 24)
  header.writeUInt32LE(RATE_HZ * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.byteLength, 40)
  return Buffer.concat([header, Buffer.from(samples.buffer)])
}
