// Everything that can keep two voices apart, and what a person can do about it: one kind, one text.
// Pure; the page shows it, `VoiceClient` decides which.

import type { Refusal } from './protocol'

export type FaultKind =
  | 'not-allowed'
  | 'not-found'
  | 'not-readable'
  | 'overconstrained'
  | 'microphone'
  | 'insecure-context'
  | 'no-webrtc'
  | 'at-capacity'
  | 'not-ready'
  | 'too-many-tries'
  | 'unauthorized'
  | 'refused'
  | 'unreachable'
  | 'no-media'
  | 'connection-lost'
  | 'ended'

export interface Fault {
  kind: FaultKind
  /** What the other side or the browser said, shown after our own words where it helps. */
  detail?: string
  retryAfterS?: number
}

export interface FaultText {
  title: string
  advice: string
  /** Label of the button that tries again; null where trying again cannot help. */
  retry: string | null
}

const TEXTS: Record<FaultKind, FaultText> = {
  'not-allowed': {
    title: 'The microphone is blocked.',
    advice:
      'The browser was told not to share it. Allow the microphone for this page (the icon beside ' +
      'the address), then try again.',
    retry: 'Try again',
  },
  'not-found': {
    title: 'No microphone found.',
    advice: 'Plug one in or switch on your headset, then try again.',
    retry: 'Try again',
  },
  'not-readable': {
    title: 'The microphone is in use.',
    advice: 'Another program is holding it. Close that program or choose another microphone.',
    retry: 'Try again',
  },
  overconstrained: {
    title: 'That microphone is gone.',
    advice: 'The one you chose is no longer connected. The next try takes the system’s own choice.',
    retry: 'Use the default microphone',
  },
  microphone: {
    title: 'The microphone would not start.',
    advice: 'The browser gave no usual reason.',
    retry: 'Try again',
  },
  'insecure-context': {
    title: 'This address is not secure enough for a microphone.',
    advice:
      'Browsers share it only over https or on localhost. Open this page as https, or run the ' +
      'server on this machine and open http://localhost.',
    retry: null,
  },
  'no-webrtc': {
    title: 'This browser cannot hold a live conversation.',
    advice: 'It has no WebRTC, or it is switched off. A current Firefox, Chrome, Edge or Safari has.',
    retry: null,
  },
  'at-capacity': {
    title: 'All places are taken.',
    advice: 'Every conversation this server can hold is going on right now.',
    retry: 'Try again',
  },
  'not-ready': {
    title: 'The voice is starting up.',
    advice: 'The server answers, but its engine is not ready to speak.',
    retry: 'Try again',
  },
  'too-many-tries': {
    title: 'Too many tries in a short time.',
    advice: 'The server asks for a pause.',
    retry: 'Try again',
  },
  unauthorized: {
    title: 'This server asks for a key.',
    advice: 'Open the complete link that it printed when it started: the key is the part after #token=.',
    retry: 'Try again',
  },
  refused: {
    title: 'The server refused the conversation.',
    advice: 'It did not accept what this browser offered.',
    retry: 'Try again',
  },
  unreachable: {
    title: 'The server does not answer.',
    advice: 'It may have stopped, or the network is down.',
    retry: 'Try again',
  },
  'no-media': {
    title: 'Sound cannot get through.',
    advice:
      'The server answered, but no audio path opened. A firewall or a tunnel that carries no UDP ' +
      'is the usual cause.',
    retry: 'Try again',
  },
  'connection-lost': {
    title: 'The connection was lost.',
    advice: 'The conversation has ended. What was said is still below.',
    retry: 'Talk again',
  },
  ended: {
    title: 'The server ended the conversation.',
    advice: 'What was said is still below.',
    retry: 'Talk again',
  },
}

/** What to show for a fault. */
export function faultText({ kind, detail, retryAfterS }: Fault): FaultText {
  const text = TEXTS[kind]
  if (retryAfterS !== undefined && retryAfterS > 0) {
    return { ...text, advice: `${text.advice} Try again in ${spokenSeconds(retryAfterS)}.` }
  }
  return detail ? { ...text, advice: `${text.advice} Reason: ${detail.replace(/\.$/, '')}.` } : text
}

function spokenSeconds(seconds: number): string {
  if (seconds < 90) return seconds <= 1 ? 'a second' : `about ${Math.ceil(seconds)} seconds`
  return `about ${Math.ceil(seconds / 60)} minutes`
}

const BY_NAME: Record<string, FaultKind> = {
  NotAllowedError: 'not-allowed',
  SecurityError: 'not-allowed',
  NotFoundError: 'not-found',
  NotReadableError: 'not-readable',
  AbortError: 'not-readable',
  OverconstrainedError: 'overconstrained',
}

/** Names what `getUserMedia` threw. */
export function microphoneFault(error: unknown): Fault {
  const { name, message } = error as Partial<DOMException>
  const kind = BY_NAME[name ?? '']
  if (kind) return { kind }
  return { kind: 'microphone', detail: message || name || String(error) }
}

/** What this browser lacks before anything is tried; null where nothing. */
export function environmentFault(environment: {
  isSecureContext: boolean
  hasPeerConnection: boolean
  hasMicrophoneAccess: boolean
}): Fault | null {
  if (!environment.isSecureContext) return { kind: 'insecure-context' }
  if (!environment.hasPeerConnection || !environment.hasMicrophoneAccess) return { kind: 'no-webrtc' }
  return null
}

/** Names a refusal of the gateway. */
export function refusalFault(
  status: number,
  { detail, code, retryAfterS }: Refusal,
): Fault {
  const wait = retryAfterS ? { retryAfterS } : {}
  if (status === 503) return { kind: code === 'at_capacity' ? 'at-capacity' : 'not-ready', ...wait }
  if (status === 429) return { kind: 'too-many-tries', ...wait }
  if (status === 401) return { kind: 'unauthorized' }
  if (status >= 500) return { kind: 'unreachable', detail: detail || `status ${status}` }
  return { kind: 'refused', detail: detail || `status ${status}` }
}
