// Who the agent shall be, as the page's fields say it. Pure.
import { DEFAULT_OPTION, type DeviceOption } from './devices'
import type { GatewayStatus } from './protocol'

/** Voices to choose from, the server's own choice first. */
export function voiceOptions(voices: readonly string[]): DeviceOption[] {
  return [
    { id: DEFAULT_OPTION.id, label: 'Server default' },
    ...voices.map((id) => ({ id, label: id })),
  ]
}

/** What there is to be filled in: nothing where the model can be told nothing. */
export function personaFields({ isPromptable, voices }: GatewayStatus): { role: boolean; voice: boolean } {
  return { role: isPromptable, voice: isPromptable && voices.length > 0 }
}
