// Stand-ins for what a browser gives, scripted by tests; nothing of the page imports them.
import { vi } from 'vitest'

export class FakeTrack extends EventTarget {
  kind = 'audio'
  enabled = true
  readyState: 'live' | 'ended' = 'live'

  stop(): void {
    this.readyState = 'ended'
  }

  unplug(): void {
    this.stop()
    this.dispatchEvent(new Event('ended'))
  }
}

export class FakeStream {
  constructor(readonly track = new FakeTrack()) {}

  getTracks(): FakeTrack[] {
    return [this.track]
  }

  getAudioTracks(): FakeTrack[] {
    return [this.track]
  }
}

export class FakeChannel extends EventTarget {
  readyState = 'connecting'
  readonly sent: string[] = []

  send(text: string): void {
    this.sent.push(text)
  }

  open(): void {
    this.readyState = 'open'
    this.dispatchEvent(new Event('open'))
  }

  receive(data: unknown): void {
    this.dispatchEvent(new MessageEvent('message', { data }))
  }

  close(): void {
    this.readyState = 'closed'
    this.dispatchEvent(new Event('close'))
  }
}

export class FakePeer extends EventTarget {
  readonly calls: string[] = []
  readonly channel = new FakeChannel()
  readonly sender = { replaceTrack: vi.fn(async (_track: unknown) => undefined) }
  connectionState = 'new'
  localDescription: { sdp: string } | null = null
  remoteSdp: string | null = null
  rtpTimestamp: number | undefined

  addTransceiver(): unknown {
    this.calls.push('transceiver')
    const sources = () => (this.rtpTimestamp === undefined ? [] : [{ rtpTimestamp: this.rtpTimestamp }])
    return { sender: this.sender, receiver: { getSynchronizationSources: sources } }
  }

  createDataChannel(): FakeChannel {
    this.calls.push('channel')
    return this.channel
  }

  async createOffer(): Promise<unknown> {
    return { type: 'offer', sdp: 'offer-sdp' }
  }

  async setLocalDescription(description: { sdp: string }): Promise<void> {
    this.localDescription = description
  }

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.remoteSdp = sdp
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map()
  }

  become(state: string): void {
    this.connectionState = state
    this.dispatchEvent(new Event('connectionstatechange'))
  }

  findCandidate(candidate: string): void {
    const json = { candidate, sdpMid: '0', sdpMLineIndex: 0 }
    const event = Object.assign(new Event('icecandidate'), { candidate: { candidate, toJSON: () => json } })
    this.dispatchEvent(event)
  }

  close(): void {
    this.connectionState = 'closed'
  }
}
