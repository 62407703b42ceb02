// How the conversation went that has just ended: the four axes in short, and the way to its report.
import { axisLines } from '../axes'
import type { Gateway } from '../gateway'
import type { PastSession } from '../protocol'
import { byId, setText } from './dom'

export class OutcomeView {
  private readonly section = byId('outcome', HTMLElement)
  private readonly link = byId('report', HTMLAnchorElement)
  private past: PastSession | null = null
  private blobUrl: string | null = null

  constructor(private readonly gateway: Gateway) {
    this.link.addEventListener('click', (event) => this.onClick(event))
  }

  show(past: PastSession): void {
    this.past = past
    setText(byId('outcome-labels', HTMLElement), past.axes.labels)
    byId('outcome-axes', HTMLDListElement).replaceChildren(
      ...axisLines(past.axes).map(({ value, name, detail }) => {
        const line = document.createElement('div')
        line.append(element('dt', name), element('dd', value))
        if (detail) line.append(element('dd', detail))
        return line
      }),
    )
    this.link.href = this.gateway.reportPath(past.id) ?? '#report'
    this.section.hidden = false
  }

  hide(): void {
    this.past = null
    this.section.hidden = true
  }

  private onClick(event: MouseEvent): void {
    if (!this.past || this.gateway.reportPath(this.past.id)) return
    event.preventDefault()
    void this.open(this.past.id)
  }

  /** A link cannot carry the key: the page is fetched with it, into a tab opened in the gesture. */
  private async open(id: string): Promise<void> {
    const tab = window.open('', '_blank')
    const page = await this.gateway.report(id).catch(() => null)
    if (!page) {
      tab?.close()
      setText(byId('notice', HTMLParagraphElement), 'The report could not be fetched. Try again in a moment.')
      return
    }
    if (this.blobUrl) URL.revokeObjectURL(this.blobUrl)
    this.blobUrl = URL.createObjectURL(page)
    tab?.location.replace(this.blobUrl)
  }
}

function element(tag: string, text: string): HTMLElement {
  const created = document.createElement(tag)
  created.textContent = text
  return created
}
