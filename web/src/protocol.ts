// What the page and the gateway say to each other: JSON over HTTP, then RTVI 2.x messages and pings
// on the data channel. Pure translation, no network. What is not understood becomes null, never an
// exception: a newer gateway may say more than this page knows. The wire forms are pinned by
// tests/web/golden/protocol.json.

import { parseAxes, type Axes } from './axes'
import { finite, isObject, type Json } from './json'

export const RTVI_LABEL = 'rtvi-ai'
export const RTVI_VERSION = '2.2.0'
/** The gateway takes a peer for gone after 3 s without a ping. */
export const PING_INTERVAL_MS = 1000
export const PLAYOUT_INTERVAL_MS = 200

export type Side = 'user' | 'agent'
/** Who has the floor. */
export type Holder = Side | 'nobody'

/** Answer of `GET /api/status`. */
export interface GatewayStatus {
  model: string
  numSlots: number
  numFree: number
  authRequired: boolean
  /** Whether the model can be told a role and a voice. */
  isPromptable: boolean
  /** Ids of the voices to choose from; empty where the key is missing. */
  voices: string[]
  /** For the connection; empty where none is needed, or where the key is missing. */
  iceServers: RTCIceServer[]
}

/** Body of `POST /api/offer`. */
export interface Offer {
  sdp: string
  type: 'offer'
  pc_id?: string
  restart_pc?: boolean
  role?: string
  voice?: string
}

/** Who the agent shall be; empty where the server decides. */
export interface Persona {
  role: string
  voice: string
}

export interface Answer {
  sdp: string
  pcId: string
  /** Names the conversation's record; null where none is kept. */
  sessionId: string | null
}

/** Body of `PATCH /api/offer`. */
export interface Trickle {
  pc_id: string
  candidates: { candidate: string; sdp_mid: string; sdp_mline_index: number }[]
}

export type ServerEvent =
  | { kind: 'bot-ready' }
  | { kind: 'word'; side: Side; text: string; timeMs: number }
  | { kind: 'stats'; stepUs: number; lagUs: number; queuedMs: number; droppedFrames: number }
  | { kind: 'axes'; axes: Axes; floor: Holder; state: string | null }
  | { kind: 'ended'; reason: string }

export function parseStatus(body: unknown): GatewayStatus | null {
  if (!isObject(body)) return null
  const { model, num_slots, num_free, auth_required } = body
  if (typeof model !== 'string' || !finite(num_slots) || !finite(num_free)) return null
  return {
    model,
    numSlots: num_slots,
    numFree: num_free,
    authRequired: auth_required === true,
    isPromptable: body.is_promptable === true,
    voices: Array.isArray(body.voices) ? body.voices.filter((id) => typeof id === 'string') : [],
    iceServers: Array.isArray(body.ice_servers) ? body.ice_servers.flatMap(parseIceServer) : [],
  }
}

function parseIceServer(value: unknown): RTCIceServer[] {
  if (!isObject(value) || typeof value.urls !== 'string') return []
  const { urls, username, credential } = value
  if (typeof username !== 'string' || typeof credential !== 'string') return [{ urls }]
  return [{ urls, username, credential }]
}

export function parseAnswer(body: unknown): Answer | null {
  if (!isObject(body) || body.type !== 'answer') return null
  if (typeof body.sdp !== 'string' || typeof body.pc_id !== 'string') return null
  const sessionId = typeof body.session_id === 'string' ? body.session_id : null
  return { sdp: body.sdp, pcId: body.pc_id, sessionId }
}

export interface Refusal {
  detail: string
  /** Tells refusals of one status apart. */
  code: string
  retryAfterS: number | null
}

/** `{detail, code, retry_after_s}` of a refusal; a proxy in between may send something else. */
export function parseRefusal(body: unknown): Refusal {
  const json = isObject(body) ? body : {}
  return {
    detail: typeof json.detail === 'string' ? json.detail : '',
    code: typeof json.code === 'string' ? json.code : '',
    retryAfterS: finite(json.retry_after_s) ? json.retry_after_s : null,
  }
}

/** What the server decides is left out. */
export function offer(sdp: string, persona: Persona): Offer {
  const role = persona.role.trim()
  return {
    sdp,
    type: 'offer',
    ...(role && { role }),
    ...(persona.voice && { voice: persona.voice }),
  }
}

export function trickle(pcId: string, candidates: RTCIceCandidateInit[]): Trickle {
  return {
    pc_id: pcId,
    candidates: candidates.map((one) => ({
      candidate: one.candidate ?? '',
      sdp_mid: one.sdpMid ?? '0',
      sdp_mline_index: one.sdpMLineIndex ?? 0,
    })),
  }
}

export function ping(nowMs: number): string {
  return `ping: ${Math.round(nowMs)}`
}

/** First message on the channel; the gateway answers `bot-ready`. */
export function clientReady(id: string): string {
  const data = { version: RTVI_VERSION, about: { library: 'voiceagent-web' } }
  return JSON.stringify({ label: RTVI_LABEL, type: 'client-ready', id, data })
}

/** How much of the agent's audio has left the jitter buffer, so that barge-in knows what was heard. */
export function playout(id: string, playedMs: number): string {
  const data = { t: 'playout', d: { played_ms: Math.round(playedMs) } }
  return JSON.stringify({ label: RTVI_LABEL, type: 'client-message', id, data })
}

/** Hanging up: the gateway frees the place at once. */
export function goodbye(id: string): string {
  return JSON.stringify({ label: RTVI_LABEL, type: 'disconnect-bot', id })
}

/** Reads one text message of the data channel; null for everything unknown. */
export function parseServerMessage(text: string): ServerEvent | null {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return null
  }
  if (!isObject(message)) return null
  if (isPeerLeft(message)) return { kind: 'ended', reason: '' }
  if (message.label !== RTVI_LABEL) return null
  if (message.type === 'bot-ready') return { kind: 'bot-ready' }
  if (message.type !== 'server-message' || !isObject(message.data)) return null
  return parseServerData(message.data)
}

/** SmallWebRTC's own goodbye, which is not RTVI. */
function isPeerLeft({ type, message }: Json): boolean {
  return type === 'signalling' && isObject(message) && message.type === 'peerLeft'
}

function parseServerData(data: Json): ServerEvent | null {
  if (data.t === 'word') return parseWord(data)
  if (data.t === 'stats') return parseStats(data)
  if (data.t === 'axes') return parseLiveAxes(data)
  if (data.t === 'ended') {
    return { kind: 'ended', reason: typeof data.reason === 'string' ? data.reason : '' }
  }
  return null
}

function parseWord({ side, text, time_ms }: Json): ServerEvent | null {
  if ((side !== 'user' && side !== 'agent') || typeof text !== 'string' || !finite(time_ms)) {
    return null
  }
  return { kind: 'word', side, text, timeMs: time_ms }
}

function parseStats({ step_us, lag_us, queued_ms, dropped_frames }: Json): ServerEvent | null {
  if (!finite(step_us) || !finite(lag_us) || !finite(queued_ms) || !finite(dropped_frames)) {
    return null
  }
  return {
    kind: 'stats',
    stepUs: step_us,
    lagUs: lag_us,
    queuedMs: queued_ms,
    droppedFrames: dropped_frames,
  }
}

function parseLiveAxes({ floor, state, ...rest }: Json): ServerEvent | null {
  const axes = parseAxes(rest)
  if (!axes || (floor !== 'nobody' && floor !== 'user' && floor !== 'agent')) return null
  return { kind: 'axes', axes, floor, state: typeof state === 'string' ? state : null }
}

/** Answer of `GET /api/sessions/ID`: how a conversation went that is over. */
export interface PastSession {
  id: string
  durationMs: number
  axes: Axes
}

export function parsePastSession(body: unknown): PastSession | null {
  if (!isObject(body) || typeof body.id !== 'string' || !finite(body.duration_ms)) return null
  const axes = parseAxes(body.axes)
  return axes && { id: body.id, durationMs: body.duration_ms, axes }
}
