// The turn-taking panel: the axes of the conversation as far as it has gone, at most once a second.
// Hidden until the gateway says something, which it does only where it keeps a record.
import { holderText, shareText, spreadText, stateText } from '../axes'
import type { ServerEvent } from '../protocol'
import { byId, setText } from './dom'

type LiveAxes = Extract<ServerEvent, { kind: 'axes' }>

export class TurnsView {
  private readonly section = byId('turns', HTMLElement)

  show({ axes, floor, state }: LiveAxes): void {
    this.section.hidden = false
    show('turns-labels', axes.labels)
    show('floor', holderText(floor))
    show('turn-state', stateText(state))
    show('pauses-held', shareText(axes.pausesHeld))
    show('floor-kept', shareText(axes.floorKept))
    show('backchannels', String(axes.backchannels))
    show('turns-taken', shareText(axes.turnsTaken))
    show('interruptions', shareText(axes.interruptionsHonoured))
    show('turn-latency', spreadText(axes.turnLatencyMs))
    show('stop-latency', spreadText(axes.stopMs))
  }

  hide(): void {
    this.section.hidden = true
  }
}

function show(id: string, text: string): void {
  setText(byId(id, HTMLElement), text)
}
