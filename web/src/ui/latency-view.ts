// The latency panel: what the browser measures and what the gateway says, once a second each.
import type { ServerEvent } from '../protocol'
import type { LinkStats } from '../stats'
import { measure } from '../texts'
import { byId, setText } from './dom'

type EngineStats = Extract<ServerEvent, { kind: 'stats' }>

const IDS = ['rtt', 'jitter-buffer', 'lost', 'step', 'lag', 'queued', 'dropped'] as const

export class LatencyView {
  constructor() {
    this.reset()
  }

  showLink({ rttMs, jitterBufferMs, lostPercent }: LinkStats): void {
    show('rtt', measure(rttMs, 'ms'))
    show('jitter-buffer', measure(jitterBufferMs, 'ms'))
    show('lost', measure(lostPercent, '%'))
  }

  showEngine({ stepUs, lagUs, queuedMs, droppedFrames }: EngineStats): void {
    show('step', measure(stepUs / 1000, 'ms'))
    show('lag', measure(lagUs / 1000, 'ms'))
    show('queued', measure(queuedMs, 'ms'))
    show('dropped', measure(droppedFrames, ''))
  }

  reset(): void {
    for (const id of IDS) show(id, measure(null, ''))
  }
}

function show(id: (typeof IDS)[number], text: string): void {
  setText(byId(id, HTMLElement), text)
}
