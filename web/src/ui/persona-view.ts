// Role and voice of the agent, where the model can be told them; read when a conversation begins.
import { personaFields, voiceOptions } from '../persona'
import type { GatewayStatus, Persona } from '../protocol'
import { fill } from './device-view'
import { byId } from './dom'

export class PersonaView {
  private readonly section = byId('persona', HTMLElement)
  private readonly role = byId('role', HTMLTextAreaElement)
  private readonly voices = byId('voice', HTMLSelectElement)

  /** What the fields say; nothing where the model cannot be told anything. */
  get persona(): Persona {
    if (this.section.hidden) return { role: '', voice: '' }
    return { role: this.role.value, voice: this.voices.value }
  }

  show(status: GatewayStatus): void {
    const fields = personaFields(status)
    this.section.hidden = !fields.role
    byId('voice-field', HTMLDivElement).hidden = !fields.voice
    fill(this.voices, voiceOptions(status.voices))
  }

  /** A conversation that goes on cannot be told another role. */
  lock(isLocked: boolean): void {
    this.role.readOnly = isLocked
    this.voices.disabled = isLocked
  }
}
