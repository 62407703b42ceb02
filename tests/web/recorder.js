// Audio worklet of conversation.mjs: writes the microphone (left) and the agent (right) down on one
// clock, as 16 bit samples. Plays nothing.
const BATCH_SAMPLES = 4096

class Recorder extends AudioWorkletProcessor {
  batch = new Int16Array(2 * BATCH_SAMPLES)
  count = 0

  process(inputs) {
    const sides = inputs.map(([channel]) => channel)
    for (let n = 0; n < 128; n++) {
      for (let side = 0; side < 2; side++) {
        const sample = sides[side]?.[n] ?? 0 // no channel: nothing is connected yet
        this.batch[2 * this.count + side] = Math.max(-1, Math.min(1, sample)) * 32767
      }
      this.count += 1
      if (this.count === BATCH_SAMPLES) this.send()
    }
    return true
  }

  send() {
    this.port.postMessage(this.batch)
    this.count = 0
  }
}

registerProcessor('recorder', Recorder)
