// A level meter: a bar and a held peak, moved by transforms; told to assistive technology once a second.
import { LevelMeter } from '../levels'

const TELL_INTERVAL_MS = 1000

export class MeterView {
  private readonly meter = new LevelMeter()
  private readonly bar: HTMLElement
  private readonly hold: HTMLElement
  private untoldMs = 0

  constructor(private readonly element: HTMLElement) {
    this.bar = element.querySelector('i')!
    this.hold = element.querySelector('b')!
  }

  update(rms: number, elapsedMs: number): void {
    this.meter.update(rms, elapsedMs)
    this.show()
    this.untoldMs += elapsedMs
    if (this.untoldMs >= TELL_INTERVAL_MS) this.tell()
  }

  reset(): void {
    this.meter.reset()
    this.show()
    this.tell()
  }

  private show(): void {
    this.bar.style.transform = `scaleX(${this.meter.position.toFixed(3)})`
    this.hold.style.left = `${(this.meter.heldPosition * 100).toFixed(1)}%`
    this.hold.style.opacity = this.meter.heldPosition > 0.02 ? '1' : '0'
  }

  private tell(): void {
    this.untoldMs = 0
    this.element.setAttribute('aria-valuenow', String(Math.round(this.meter.position * 100)))
  }
}
