// Ties the conversation to the page: events in, views out. Decides nothing that could be decided in
// a class without a document.
import { spoken } from '../axes'
import { isConnected, isOpen, type CallState } from '../call-state'
import { faultText, type Fault } from '../faults'
import { Gateway } from '../gateway'
import type { ServerEvent } from '../protocol'
import { announcement, headline, lead, note, serviceLine, talkLabel } from '../texts'
import { clockText, Transcript } from '../transcript'
import { VoiceClient, type Browser } from '../voice-client'
import { ColumnClock, floorOf, WaveformRing, type Floor } from '../waveform'
import { DeviceView } from './device-view'
import { byId, setText } from './dom'
import { LatencyView } from './latency-view'
import { MeterView } from './meter-view'
import { OutcomeView } from './outcome-view'
import { PersonaView } from './persona-view'
import { ScoreView } from './score-view'
import { ScreenLock } from './screen-lock'
import { SoundTaps } from './sound-taps'
import { TranscriptView } from './transcript-view'
import { TurnsView } from './turns-view'

const RING_COLUMNS = 512
const STATUS_INTERVAL_MS = 15_000
const SETTLE_INTERVAL_MS = 300
/** The gateway has freed the place by then. */
const RELEASE_MS = 1500
/** A new speaker must hold this long before the headline changes: no flicker. */
const FLOOR_HOLD_MS = 200
/** Redraws a second for those who asked for less motion. */
const CALM_INTERVAL_MS = 500

export class App {
  private readonly taps = new SoundTaps()
  private readonly ring = new WaveformRing(RING_COLUMNS)
  private readonly score = new ScoreView(byId('score', HTMLCanvasElement), this.ring)
  private readonly meters = {
    user: new MeterView(byId('user-meter', HTMLDivElement)),
    agent: new MeterView(byId('agent-meter', HTMLDivElement)),
  }
  private readonly transcript = new Transcript()
  private readonly transcriptView = new TranscriptView(this.transcript)
  private readonly latency = new LatencyView()
  private readonly turns = new TurnsView()
  private readonly outcome: OutcomeView
  private readonly devices: DeviceView
  private readonly persona = new PersonaView()
  private readonly screenLock = new ScreenLock()
  private readonly client: VoiceClient
  private readonly audio = byId('agent-audio', HTMLAudioElement)
  private readonly talk = byId('talk', HTMLButtonElement)
  private readonly mute = byId('mute', HTMLButtonElement)
  private readonly calm = matchMedia('(prefers-reduced-motion: reduce)')
  private columns = new ColumnClock(0)
  private floor: Floor = 'nobody'
  private floorSinceMs = 0
  private connectedAtMs: number | null = null
  private frameAtMs = 0
  private drawnAtMs = 0

  constructor(
    browser: Browser,
    private readonly gateway: Gateway,
    private readonly hasToken: boolean,
  ) {
    this.client = new VoiceClient(browser, gateway, {
      onState: (state) => this.onState(state),
      onMessage: (event) => this.onMessage(event),
      onStats: (stats) => this.latency.showLink(stats),
      onMicrophone: (stream) => {
        this.taps.attach('user', stream)
        void this.devices.refresh()
      },
      onAgentStream: (stream) => this.play(stream),
      onNotice: (fault) => this.notice(fault),
    })
    this.outcome = new OutcomeView(gateway)
    this.devices = new DeviceView({
      onMicrophone: () => void this.client.changeMicrophone(this.devices.microphone),
      onSpeaker: (id) => void this.chooseSpeaker(id),
    })
    this.talk.addEventListener('click', () => this.onTalk())
    this.mute.addEventListener('click', () => this.onMute())
    addEventListener('pagehide', () => this.client.hangUp())
    document.addEventListener('visibilitychange', () => this.onVisible())
    setInterval(() => this.settle(), SETTLE_INTERVAL_MS)
    setInterval(() => void this.showService(), STATUS_INTERVAL_MS)
    this.showState(this.client.state)
    void this.showService()
  }

  private onTalk(): void {
    if (isOpen(this.client.state)) return this.client.hangUp()
    if (this.client.state.fault?.kind === 'overconstrained') this.devices.chooseDefaultMicrophone()
    this.notice(null)
    this.taps.resume()
    void this.client.talk(this.devices.microphone, this.persona.persona)
  }

  private onMute(): void {
    this.applyMute(this.mute.getAttribute('aria-pressed') !== 'true')
  }

  private applyMute(isMuted: boolean): void {
    this.client.setMuted(isMuted)
    this.mute.setAttribute('aria-pressed', String(isMuted))
    setText(this.mute, isMuted ? 'Muted' : 'Mute')
  }

  private onVisible(): void {
    if (document.visibilityState !== 'visible') return
    if (isOpen(this.client.state)) {
      this.taps.resume()
      void this.audio.play().catch(() => undefined)
      this.screenLock.hold()
    } else {
      void this.showService()
    }
  }

  private onState(state: CallState): void {
    if (state.phase === 'microphone') this.begin()
    if (isConnected(state) && this.connectedAtMs === null) this.connectedAtMs = performance.now()
    if (!isOpen(state)) this.end()
    this.showState(state)
  }

  private begin(): void {
    this.transcript.clear()
    this.transcriptView.render()
    this.latency.reset()
    this.turns.hide()
    this.outcome.hide()
    this.ring.clear()
    this.connectedAtMs = null
    this.frameAtMs = performance.now()
    this.columns = new ColumnClock(this.frameAtMs)
    this.screenLock.hold()
    requestAnimationFrame((nowMs) => this.onFrame(nowMs))
  }

  private end(): void {
    this.transcriptView.announce(this.transcript.finish())
    this.transcriptView.render()
    this.taps.detach()
    this.audio.srcObject = null
    this.meters.user.reset()
    this.meters.agent.reset()
    this.screenLock.release()
    this.applyMute(false)
    this.floor = 'nobody'
    setTimeout(() => void this.showService(), RELEASE_MS)
    if (this.client.sessionId) void this.showOutcome(this.client.sessionId)
  }

  private async showOutcome(sessionId: string): Promise<void> {
    const past = await this.gateway.pastSession(sessionId).catch(() => null)
    if (!past?.durationMs || isOpen(this.client.state)) return
    this.turns.hide()
    this.outcome.show(past)
    setText(byId('announce', HTMLParagraphElement), spoken(past.axes))
  }

  private showState(state: CallState): void {
    document.body.dataset.phase = state.phase
    const label = talkLabel(state)
    setText(this.talk, label ?? 'Talk')
    this.talk.disabled = label === null
    this.mute.disabled = !isOpen(state)
    this.persona.lock(isOpen(state))
    setText(byId('lead', HTMLParagraphElement), lead(state))
    setText(byId('note', HTMLParagraphElement), note(state))
    setText(byId('announce', HTMLParagraphElement), announcement(state))
    this.showHeadline()
  }

  private showHeadline(): void {
    document.body.dataset.floor = this.floor
    setText(byId('headline', HTMLHeadingElement), headline(this.client.state, this.floor))
  }

  private onMessage(event: ServerEvent): void {
    if (event.kind === 'word') {
      this.transcript.add(event.side, event.text, event.timeMs, performance.now())
      this.transcriptView.render()
    } else if (event.kind === 'stats') {
      this.latency.showEngine(event)
    } else if (event.kind === 'axes') {
      this.turns.show(event)
    }
  }

  private settle(): void {
    const closed = this.transcript.settle(performance.now())
    if (closed.length === 0) return
    this.transcriptView.announce(closed)
    this.transcriptView.render()
  }

  private play(stream: MediaStream): void {
    this.audio.srcObject = stream
    void this.chooseSpeaker(this.devices.speakerId)
    void this.audio.play().catch(() => undefined)
    this.taps.attach('agent', stream)
  }

  private async chooseSpeaker(deviceId: string): Promise<void> {
    if (!('setSinkId' in this.audio)) return
    await this.audio.setSinkId(deviceId).catch(() => undefined)
  }

  private notice(fault: Fault | null): void {
    const text = fault ? faultText(fault) : null
    setText(byId('notice', HTMLParagraphElement), text ? `${text.title} ${text.advice}` : '')
  }

  private onFrame(nowMs: number): void {
    if (!isOpen(this.client.state)) return
    requestAnimationFrame((laterMs) => this.onFrame(laterMs))
    const elapsedMs = Math.max(0, nowMs - this.frameAtMs)
    this.frameAtMs = nowMs
    const heard = { user: this.taps.read('user'), agent: this.taps.read('agent') }
    this.columns.feed(this.ring, nowMs, heard.user.peak, heard.agent.peak)
    this.meters.user.update(heard.user.rms, elapsedMs)
    this.meters.agent.update(heard.agent.rms, elapsedMs)
    this.followFloor(nowMs)
    if (this.calm.matches && nowMs - this.drawnAtMs < CALM_INTERVAL_MS) return
    this.drawnAtMs = nowMs
    this.score.draw()
    const sinceMs = this.connectedAtMs === null ? 0 : nowMs - this.connectedAtMs
    setText(byId('elapsed', HTMLParagraphElement), clockText(sinceMs))
  }

  private followFloor(nowMs: number): void {
    const floor = floorOf(this.ring)
    if (floor === this.floor) this.floorSinceMs = nowMs
    if (nowMs - this.floorSinceMs < FLOOR_HOLD_MS) return
    this.floor = floor
    this.showHeadline()
  }

  private async showService(): Promise<void> {
    if (document.visibilityState !== 'visible' || isOpen(this.client.state)) return
    const status = await this.gateway.status().catch(() => 'unreachable' as const)
    setText(byId('service', HTMLParagraphElement), serviceLine(status, this.hasToken))
    if (status !== 'unreachable') this.persona.show(status)
  }
}
