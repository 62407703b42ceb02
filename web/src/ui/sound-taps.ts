// Listens in on both voices for meters and waveform; plays nothing. A remote track reaches Web Audio
// only while an <audio> element also plays it, which the page does anyway.
import { peakOf, rmsOf } from '../levels'
import type { Voice } from '../waveform'

/** 43 ms at 48 kHz: covers the time between two animation frames. */
const WINDOW_SAMPLES = 2048

interface Tap {
  source: MediaStreamAudioSourceNode
  analyser: AnalyserNode
}

export class SoundTaps {
  private context: AudioContext | null = null
  private readonly taps: Partial<Record<Voice, Tap>> = {}
  private readonly samples = new Float32Array(WINDOW_SAMPLES)

  /** Wakes the audio clock; iOS wants this inside a gesture. */
  resume(): void {
    this.context ??= new AudioContext({ latencyHint: 'interactive' })
    void this.context.resume().catch(() => undefined)
  }

  attach(voice: Voice, stream: MediaStream): void {
    if (!this.context) return
    this.taps[voice]?.source.disconnect()
    const source = this.context.createMediaStreamSource(stream)
    const analyser = new AnalyserNode(this.context, { fftSize: WINDOW_SAMPLES })
    source.connect(analyser)
    this.taps[voice] = { source, analyser }
  }

  read(voice: Voice): { peak: number; rms: number } {
    const tap = this.taps[voice]
    if (!tap) return { peak: 0, rms: 0 }
    tap.analyser.getFloatTimeDomainData(this.samples)
    return { peak: peakOf(this.samples), rms: rmsOf(this.samples) }
  }

  /** Lets go of both streams; the context stays for the next conversation. */
  detach(): void {
    for (const voice of ['user', 'agent'] as const) {
      this.taps[voice]?.source.disconnect()
      delete this.taps[voice]
    }
    void this.context?.suspend().catch(() => undefined)
  }
}
