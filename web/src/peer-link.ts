// One RTCPeerConnection to the gateway: a sendrecv audio transceiver first, then the data channel
// (the gateway counts on that order), trickled candidates, pings, playout reports. Says what it
// sees; what follows from it is decided in `VoiceClient`.
import type { Gateway } from './gateway'
import { PlayoutCursor } from './playout'
import {
  clientReady,
  goodbye,
  offer,
  parseServerMessage,
  ping,
  playout,
  PING_INTERVAL_MS,
  PLAYOUT_INTERVAL_MS,
  type Persona,
  type ServerEvent,
} from './protocol'
import { StatsReader, type LinkStats } from './stats'

export type LinkState = 'connected' | 'disconnected' | 'failed' | 'closed'

export interface LinkEvents {
  onState(state: LinkState): void
  onMessage(event: ServerEvent): void
  onAgentStream(stream: MediaStream): void
  onStats(stats: LinkStats): void
}

const STATES: Partial<Record<RTCPeerConnectionState, LinkState>> = {
  connected: 'connected',
  disconnected: 'disconnected',
  failed: 'failed',
  closed: 'closed',
}

export class PeerLink {
  private sender: RTCRtpSender | null = null
  private receiver: RTCRtpReceiver | null = null
  private channel: RTCDataChannel | null = null
  private pcId: string | null = null
  private candidates: RTCIceCandidateInit[] = []
  private timers: ReturnType<typeof setInterval>[] = []
  private messageCount = 0
  private isClosed = false
  private readonly cursor = new PlayoutCursor()
  private readonly stats = new StatsReader()

  constructor(
    private readonly pc: RTCPeerConnection,
    private readonly gateway: Gateway,
    private readonly events: LinkEvents,
  ) {}

  /**
   * Offers the microphone to the gateway. Next: `onState('connected')`, or `close`.
   * @returns the id of the conversation's record, if one is kept
   */
  async open(microphone: MediaStreamTrack, persona: Persona): Promise<string | null> {
    this.watch()
    const transceiver = this.pc.addTransceiver(microphone, { direction: 'sendrecv' })
    this.sender = transceiver.sender
    this.receiver = transceiver.receiver
    this.openChannel()
    await this.pc.setLocalDescription(await this.pc.createOffer())
    const sdp = this.pc.localDescription?.sdp ?? ''
    const answer = await this.gateway.offer(offer(sdp, persona))
    if (this.isClosed) return null
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp })
    this.pcId = answer.pcId
    this.sendCandidates()
    return answer.sessionId
  }

  /** Changes the microphone without a new offer. */
  async replaceMicrophone(microphone: MediaStreamTrack): Promise<void> {
    await this.sender?.replaceTrack(microphone)
  }

  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.send(goodbye(this.nextId()))
    this.timers.forEach(clearInterval)
    this.channel?.close()
    this.pc.close()
  }

  private watch(): void {
    const { pc } = this
    pc.addEventListener('connectionstatechange', () => {
      const state = STATES[pc.connectionState]
      if (state && !this.isClosed) this.events.onState(state)
    })
    pc.addEventListener('icecandidate', ({ candidate }) => {
      if (!candidate?.candidate) return
      this.candidates.push(candidate.toJSON())
      this.sendCandidates()
    })
    pc.addEventListener('track', ({ track, streams }) => {
      if (track.kind === 'audio') this.events.onAgentStream(streams[0] ?? new MediaStream([track]))
    })
  }

  private sendCandidates(): void {
    if (!this.pcId || this.candidates.length === 0 || this.isClosed) return
    // a lost candidate is no fault: the gateway's own may do, and a dead path shows as `failed`
    this.gateway.addCandidates(this.pcId, this.candidates).catch(() => undefined)
    this.candidates = []
  }

  private openChannel(): void {
    const channel = this.pc.createDataChannel('rtvi')
    this.channel = channel
    channel.addEventListener('open', () => {
      this.send(clientReady(this.nextId()))
      this.every(PING_INTERVAL_MS, () => this.send(ping(performance.now())))
      this.every(PING_INTERVAL_MS, () => void this.readStats())
      this.every(PLAYOUT_INTERVAL_MS, () => void this.reportPlayout())
    })
    channel.addEventListener('message', ({ data }: MessageEvent) => {
      const event = typeof data === 'string' ? parseServerMessage(data) : null
      if (event && !this.isClosed) this.events.onMessage(event)
    })
    channel.addEventListener('close', () => {
      if (!this.isClosed) this.events.onState('closed')
    })
  }

  private every(intervalMs: number, task: () => void): void {
    if (this.isClosed) return
    task()
    this.timers.push(setInterval(task, intervalMs))
  }

  private send(text: string): void {
    if (this.channel?.readyState === 'open') this.channel.send(text)
  }

  private nextId(): string {
    this.messageCount += 1
    return `m${this.messageCount}`
  }

  private async readStats(): Promise<LinkStats> {
    const stats = this.stats.read((await this.pc.getStats()).values())
    if (!this.isClosed) this.events.onStats(stats)
    return stats
  }

  private async reportPlayout(): Promise<void> {
    const played = this.receiver?.getSynchronizationSources()[0]?.rtpTimestamp
    if (played === undefined) return
    if (this.cursor.isStarted) this.cursor.advance(played)
    else this.cursor.start(played, await this.emittedSamples())
    this.send(playout(this.nextId(), this.cursor.playedMs))
  }

  private async emittedSamples(): Promise<number> {
    return new StatsReader().read((await this.pc.getStats()).values()).emittedSamples
  }
}
