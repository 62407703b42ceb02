// The gateway over HTTP: status, offer, trickled candidates and past conversations. Refusals and silence become a
// `GatewayError` that carries a fault; nothing here knows WebRTC.
import { refusalFault, type Fault } from './faults'
import {
  parseAnswer,
  parsePastSession,
  parseRefusal,
  parseStatus,
  trickle,
  type Answer,
  type GatewayStatus,
  type Offer,
  type PastSession,
} from './protocol'

const TIMEOUT_MS = 10_000
const REPORT_TIMEOUT_MS = 70_000

export class GatewayError extends Error {
  constructor(readonly fault: Fault) {
    super(fault.kind)
  }
}

/** The key from `#token=...`; a fragment never leaves the browser by itself. */
export function tokenFrom(fragment: string): string | null {
  return new URLSearchParams(fragment.replace(/^#/, '')).get('token') || null
}

export class Gateway {
  constructor(
    private readonly fetch: typeof globalThis.fetch,
    private readonly token: string | null = null,
  ) {}

  async status(): Promise<GatewayStatus> {
    const status = parseStatus(await this.request('GET', 'api/status'))
    if (!status) throw new GatewayError({ kind: 'unreachable', detail: 'unknown status' })
    return status
  }

  async offer(offer: Offer): Promise<Answer> {
    const answer = parseAnswer(await this.request('POST', 'api/offer', offer))
    if (!answer) throw new GatewayError({ kind: 'unreachable', detail: 'no answer in the reply' })
    return answer
  }

  async addCandidates(pcId: string, candidates: RTCIceCandidateInit[]): Promise<void> {
    await this.request('PATCH', 'api/offer', trickle(pcId, candidates))
  }

  /** How a conversation went that has ended; the gateway answers once it is written down. */
  async pastSession(id: string): Promise<PastSession | null> {
    return parsePastSession(await this.request('GET', `api/sessions/${id}`))
  }

  /** Where the page of a conversation is, for a link: only for those who need no key. */
  reportPath(id: string): string | null {
    return this.token ? null : `api/sessions/${id}/report`
  }

  /** The same, fetched with the key. */
  async report(id: string): Promise<Blob | null> {
    const response = await this.reach('GET', `api/sessions/${id}/report`, undefined, REPORT_TIMEOUT_MS)
    return response.ok ? await response.blob() : null
  }

  private async request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.reach(method, path, body)
    const json: unknown = await response.json().catch(() => null)
    if (!response.ok) throw new GatewayError(refusalFault(response.status, parseRefusal(json)))
    return json
  }

  private async reach(
    method: string,
    path: string,
    body?: unknown,
    timeoutMs = TIMEOUT_MS,
  ): Promise<Response> {
    const headers: Record<string, string> = {}
    if (body !== undefined) headers['Content-Type'] = 'application/json'
    if (this.token) headers.Authorization = `Bearer ${this.token}`
    try {
      return await this.fetch(path, {
        method,
        headers,
        cache: 'no-store',
        signal: AbortSignal.timeout(timeoutMs),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
    } catch {
      throw new GatewayError({ kind: 'unreachable' })
    }
  }
}
