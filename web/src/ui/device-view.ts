// Lists of microphones and speakers, kept up to date; says what is chosen.
import { chosenId, deviceOptions, type DeviceOption } from '../devices'
import type { MicrophoneChoice } from '../voice-client'
import { byId } from './dom'

export interface DeviceEvents {
  onMicrophone(): void
  onSpeaker(deviceId: string): void
}

export class DeviceView {
  private readonly microphones = byId('microphone', HTMLSelectElement)
  private readonly speakers = byId('speaker', HTMLSelectElement)
  private readonly echo = byId('echo', HTMLInputElement)

  constructor(events: DeviceEvents) {
    byId('speaker-field', HTMLDivElement).hidden = !('setSinkId' in HTMLMediaElement.prototype)
    this.microphones.addEventListener('change', () => events.onMicrophone())
    this.echo.addEventListener('change', () => events.onMicrophone())
    this.speakers.addEventListener('change', () => events.onSpeaker(this.speakers.value))
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.refresh())
    this.list([])
    void this.refresh()
  }

  get microphone(): MicrophoneChoice {
    return { deviceId: this.microphones.value || null, hasEchoCancellation: this.echo.checked }
  }

  get speakerId(): string {
    return this.speakers.value
  }

  /** Lists again: names appear only once the microphone has been allowed. */
  async refresh(): Promise<void> {
    const devices = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []
    this.list(devices)
  }

  private list(devices: MediaDeviceInfo[]): void {
    fill(this.microphones, deviceOptions(devices, 'audioinput'))
    fill(this.speakers, deviceOptions(devices, 'audiooutput'))
  }

  chooseDefaultMicrophone(): void {
    this.microphones.value = ''
  }
}

/** Lists options anew and keeps what was chosen, where it is still there. */
export function fill(select: HTMLSelectElement, options: DeviceOption[]): void {
  const wanted = chosenId(options, select.value)
  select.replaceChildren(...options.map(({ id, label }) => new Option(label, id)))
  select.value = wanted
}
