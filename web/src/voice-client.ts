// One conversation after another: microphone, offer, connection, goodbye. Holds the state machine
// and every resource of the conversation, and gives all of them back when it ends, however it ends.
// Touches no document; `Browser` is all that it sees of the outside.
import { IDLE, isConnected, isOpen, next, type CallEvent, type CallState } from './call-state'
import { environmentFault, microphoneFault, type Fault } from './faults'
import { Gateway, GatewayError } from './gateway'
import { PeerLink, type LinkState } from './peer-link'
import type { Persona, ServerEvent } from './protocol'
import type { LinkStats } from './stats'

/** Longest wait for an audio path: past this, something between blocks UDP. */
export const CONNECT_TIMEOUT_MS = 15_000
/** A path that has been silent this long is lost: the gateway has given up by then, too. */
export const LOST_AFTER_MS = 6_000

export interface Browser {
  isSecureContext: boolean
  openMicrophone: ((constraints: MediaStreamConstraints) => Promise<MediaStream>) | null
  createPeer: ((iceServers: RTCIceServer[]) => RTCPeerConnection) | null
}

export interface MicrophoneChoice {
  deviceId: string | null
  hasEchoCancellation: boolean
}

export interface ClientEvents {
  onState(state: CallState): void
  onMessage(event: ServerEvent): void
  onStats(stats: LinkStats): void
  onMicrophone(stream: MediaStream): void
  onAgentStream(stream: MediaStream): void
  /** A wish that could not be met; the conversation goes on as it was. */
  onNotice(fault: Fault): void
}

export function microphoneConstraints(choice: MicrophoneChoice): MediaStreamConstraints {
  const audio: MediaTrackConstraints = {
    echoCancellation: choice.hasEchoCancellation,
    noiseSuppression: false,
    autoGainControl: false,
    channelCount: 1,
  }
  if (choice.deviceId) audio.deviceId = { exact: choice.deviceId }
  return { audio, video: false }
}

export class VoiceClient {
  private current: CallState = IDLE
  private microphone: MediaStream | null = null
  private link: PeerLink | null = null
  private isMuted = false
  private recorded: string | null = null
  private deadline: ReturnType<typeof setTimeout> | undefined
  /** Counts conversations, so that what a past one still awaits finds itself out of date. */
  private generation = 0

  constructor(
    private readonly browser: Browser,
    private readonly gateway: Gateway,
    private readonly events: ClientEvents,
  ) {}

  /** Id of the record of this conversation, or of the last; null where none is kept. */
  get sessionId(): string | null {
    return this.recorded
  }

  get state(): CallState {
    return this.current
  }

  /** Starts a conversation; call from a gesture. Next: `onState`, later `hangUp`. */
  async talk(choice: MicrophoneChoice, persona: Persona): Promise<void> {
    if (isOpen(this.current)) return
    this.generation += 1
    const generation = this.generation
    this.recorded = null
    this.apply({ kind: 'talk' })
    const missing = environmentFault({
      isSecureContext: this.browser.isSecureContext,
      hasPeerConnection: this.browser.createPeer !== null,
      hasMicrophoneAccess: this.browser.openMicrophone !== null,
    })
    if (missing) return this.fail(missing)
    const stream = await this.acquire(choice, generation)
    if (!stream) return
    this.apply({ kind: 'microphone' })
    await this.connect(stream, persona, generation)
  }

  hangUp(): void {
    this.apply({ kind: 'hang-up' })
  }

  /** Mutes without taking the track away: the gateway keeps its clock with silence. */
  setMuted(isMuted: boolean): void {
    this.isMuted = isMuted
    this.microphone?.getAudioTracks().forEach((track) => (track.enabled = !isMuted))
  }

  /** Changes microphone or echo cancellation during a conversation; without one does nothing. */
  async changeMicrophone(choice: MicrophoneChoice): Promise<void> {
    if (!isConnected(this.current)) return
    const stream = await this.acquire(choice, this.generation)
    const track = stream?.getAudioTracks()[0]
    if (track) await this.link?.replaceMicrophone(track)
  }

  private async acquire(
    choice: MicrophoneChoice,
    generation: number,
  ): Promise<MediaStream | null> {
    try {
      const stream = await this.browser.openMicrophone!(microphoneConstraints(choice))
      if (this.isPast(generation)) {
        stop(stream)
        return null
      }
      this.adopt(stream, choice)
      return stream
    } catch (error) {
      if (!this.isPast(generation)) this.refuse(microphoneFault(error))
      return null
    }
  }

  private refuse(fault: Fault): void {
    const isStillHeard = this.microphone?.getAudioTracks()[0]?.readyState === 'live'
    if (isStillHeard) this.events.onNotice(fault)
    else this.fail(fault)
  }

  private adopt(stream: MediaStream, choice: MicrophoneChoice): void {
    stop(this.microphone)
    this.microphone = stream
    this.setMuted(this.isMuted)
    // unplugged: go on with whatever microphone is left
    stream.getAudioTracks()[0]?.addEventListener('ended', () => {
      if (this.microphone === stream) void this.changeMicrophone({ ...choice, deviceId: null })
    })
    this.events.onMicrophone(stream)
  }

  private async connect(
    stream: MediaStream,
    persona: Persona,
    generation: number,
  ): Promise<void> {
    const iceServers = await this.iceServers()
    if (this.isPast(generation)) return
    const link = new PeerLink(this.browser.createPeer!(iceServers), this.gateway, {
      onState: (state) => this.onLinkState(state),
      onMessage: (event) => this.onMessage(event),
      onAgentStream: (agent) => this.events.onAgentStream(agent),
      onStats: (stats) => this.events.onStats(stats),
    })
    this.link = link
    this.failAfter(CONNECT_TIMEOUT_MS, { kind: 'no-media' })
    try {
      const sessionId = await link.open(stream.getAudioTracks()[0]!, persona)
      if (!this.isPast(generation)) this.recorded = sessionId
    } catch (error) {
      if (this.isPast(generation)) return
      const isRefusal = error instanceof GatewayError
      this.fail(isRefusal ? error.fault : { kind: 'refused', detail: String(error) })
    }
  }

  /** None by default: the gateway's own address is enough, and nothing leaves for a third party. */
  private async iceServers(): Promise<RTCIceServer[]> {
    const status = await this.gateway.status().catch(() => null) // its offer will say what is wrong
    return status?.iceServers ?? []
  }

  private onLinkState(state: LinkState): void {
    const wasConnected = isConnected(this.current)
    if (state === 'connected') {
      clearTimeout(this.deadline)
      this.apply({ kind: 'connected' })
    } else if (state === 'disconnected' && wasConnected) {
      this.apply({ kind: 'disconnected' })
      this.failAfter(LOST_AFTER_MS, { kind: 'connection-lost' })
    } else if (state === 'failed') {
      this.fail({ kind: wasConnected ? 'connection-lost' : 'no-media' })
    } else if (state === 'closed') {
      this.fail({ kind: 'ended' })
    }
  }

  private onMessage(event: ServerEvent): void {
    if (event.kind === 'bot-ready') this.apply({ kind: 'agent-ready' })
    else if (event.kind === 'ended') this.fail({ kind: 'ended', detail: event.reason })
    else this.events.onMessage(event)
  }

  private failAfter(delayMs: number, fault: Fault): void {
    clearTimeout(this.deadline)
    this.deadline = setTimeout(() => this.fail(fault), delayMs)
  }

  private fail(fault: Fault): void {
    this.apply({ kind: 'fault', fault })
  }

  private apply(event: CallEvent): void {
    const before = this.current
    this.current = next(before, event)
    if (this.current === before) return
    if (isOpen(before) && !isOpen(this.current)) this.release()
    this.events.onState(this.current)
  }

  private release(): void {
    this.generation += 1
    clearTimeout(this.deadline)
    this.link?.close()
    this.link = null
    stop(this.microphone)
    this.microphone = null
  }

  private isPast(generation: number): boolean {
    return generation !== this.generation
  }
}

function stop(stream: MediaStream | null): void {
  stream?.getTracks().forEach((track) => track.stop())
}
