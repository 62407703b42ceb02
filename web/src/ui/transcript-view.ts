// The transcript as a list of passages, two columns where both spoke. Words appear as they come;
// screen readers hear finished turns only, from the log region.
import type { Side } from '../protocol'
import { clockText, isOverlap, type Passage, type Transcript, type Turn } from '../transcript'
import { byId } from './dom'

const NAMES: Record<Side, string> = { user: 'You', agent: 'Agent' }
/** Passages redrawn with each word: older ones have settled. */
const LIVE_PASSAGES = 4
const LOG_LENGTH = 20

export class TranscriptView {
  private readonly list = byId('transcript', HTMLOListElement)
  private readonly scroll = byId('transcript-scroll', HTMLDivElement)
  private readonly empty = byId('transcript-empty', HTMLParagraphElement)
  private readonly log = byId('said', HTMLDivElement)

  constructor(private readonly transcript: Transcript) {}

  render(): void {
    const passages = this.transcript.passages()
    this.scroll.hidden = passages.length === 0
    this.empty.hidden = passages.length > 0
    const { scrollTop, scrollHeight, clientHeight } = this.scroll
    const wasAtEnd = scrollHeight - scrollTop - clientHeight < 40
    while (this.list.children.length > passages.length) this.list.lastElementChild!.remove()
    passages.forEach((passage, index) => {
      const item = this.list.children[index]
      if (!item) this.list.append(passageElement(passage))
      else if (index >= passages.length - LIVE_PASSAGES) item.replaceWith(passageElement(passage))
    })
    if (wasAtEnd) this.scroll.scrollTop = this.scroll.scrollHeight
  }

  announce(turns: Turn[]): void {
    for (const turn of turns) {
      const line = document.createElement('p')
      line.textContent = `${NAMES[turn.side]}: ${turn.text}`
      this.log.append(line)
    }
    while (this.log.children.length > LOG_LENGTH) this.log.firstElementChild!.remove()
  }
}

function passageElement(passage: Passage): HTMLLIElement {
  const item = document.createElement('li')
  item.className = isOverlap(passage) ? 'passage overlap' : 'passage'
  if (isOverlap(passage)) item.append(element('p', 'together', 'at the same time'))
  for (const turns of byStart(passage)) {
    const column = element('div', `column ${turns[0]!.side}`)
    column.append(...turns.map(turnElement))
    item.append(column)
  }
  return item
}

/** Who began comes first: reading order, and the order on a phone. */
function byStart({ user, agent }: Passage): Turn[][] {
  return [user, agent]
    .filter((turns) => turns.length > 0)
    .sort(([a], [b]) => a!.startMs - b!.startMs)
}

function turnElement(turn: Turn): HTMLElement {
  const paragraph = element('p', turn.isClosed ? 'turn' : 'turn open')
  const head = element('span', 'head')
  head.append(element('b', 'who', NAMES[turn.side]), ' ', element('time', '', clockText(turn.startMs)))
  paragraph.append(head, ' ', element('span', 'text', turn.text))
  return paragraph
}

function element(tag: string, className: string, text = ''): HTMLElement {
  const created = document.createElement(tag)
  if (className) created.className = className
  created.textContent = text
  return created
}
