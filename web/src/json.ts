// What may be taken for granted of JSON that came from elsewhere: nothing, until it was looked at.

export type Json = Record<string, unknown>

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function finite(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}
