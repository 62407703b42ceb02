// Draws the waveform ring: the user above the line, the agent below, a wash where both sound.
import { COLUMN_MS, type WaveformRing } from '../waveform'

/** Column pitch on a wide page and on a phone, where it buys seconds; a bar fills 5/8 of it. */
const PITCH_PX = 4
const NARROW_PITCH_PX = 2
const NARROW_BELOW_PX = 560
const BAR_SHARE = 0.625
const COLUMNS_PER_SECOND = 1000 / COLUMN_MS
const GAP_PX = 3

interface Colours {
  user: string
  agent: string
  line: string
  wash: string
}

export class ScoreView {
  private readonly context: CanvasRenderingContext2D
  private colours: Colours
  private pitch = PITCH_PX

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly ring: WaveformRing,
  ) {
    this.context = canvas.getContext('2d')!
    this.colours = this.readColours()
    new ResizeObserver(() => this.resize()).observe(canvas)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.colours = this.readColours()
      this.draw()
    })
  }

  draw(): void {
    const { context, canvas } = this
    const ratio = devicePixelRatio || 1
    const [width, height] = [canvas.width / ratio, canvas.height / ratio]
    context.setTransform(ratio, 0, 0, ratio, 0, 0)
    context.clearRect(0, 0, width, height)
    const columns = Math.min(this.ring.length, Math.ceil(width / this.pitch))
    for (let age = 0; age < columns; age++) this.drawColumn(age, width, height)
    context.fillStyle = this.colours.line
    context.fillRect(0, height / 2 - 0.5, width, 1)
  }

  private drawColumn(age: number, width: number, height: number): void {
    const { context, ring, colours } = this
    const x = width - (age + 1) * this.pitch
    const middle = height / 2
    if (ring.isOverlap(age)) {
      context.fillStyle = colours.wash
      context.fillRect(x, 0, this.pitch, height)
    }
    // a second mark stays with its column; before the first column it stands where it would be
    if ((ring.count - 1 - age) % COLUMNS_PER_SECOND === 0) {
      context.fillStyle = colours.line
      context.fillRect(x, middle - 5, 1, 10)
    }
    this.bar(x, middle - GAP_PX, -extent(ring.peak('user', age), middle), colours.user)
    this.bar(x, middle + GAP_PX, extent(ring.peak('agent', age), middle), colours.agent)
  }

  private bar(x: number, y: number, height: number, colour: string): void {
    if (height === 0) return
    const width = this.pitch * BAR_SHARE
    this.context.fillStyle = colour
    this.context.beginPath()
    this.context.roundRect(x, Math.min(y, y + height), width, Math.abs(height), width / 2)
    this.context.fill()
  }

  private resize(): void {
    const ratio = devicePixelRatio || 1
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio)
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio)
    this.pitch = this.canvas.clientWidth < NARROW_BELOW_PX ? NARROW_PITCH_PX : PITCH_PX
    this.draw()
  }

  private readColours(): Colours {
    const style = getComputedStyle(this.canvas)
    const colour = (name: string) => style.getPropertyValue(name).trim()
    return {
      user: colour('--ink'),
      agent: colour('--accent'),
      line: colour('--line'),
      wash: colour('--wash'),
    }
  }
}

/** Length of a bar: square root, so that soft speech is seen; nothing below 1 px. */
function extent(peak: number, middle: number): number {
  const length = Math.sqrt(Math.min(1, peak)) * (middle - GAP_PX - 2)
  return length < 1 ? 0 : length
}
