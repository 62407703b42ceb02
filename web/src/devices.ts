// Which microphones and speakers there are and which one is meant. Pure over what
// `enumerateDevices` returned; before permission browsers list devices without names or ids.

export interface DeviceOption {
  id: string
  label: string
}

export const DEFAULT_OPTION: DeviceOption = { id: '', label: 'System default' }

const NOUNS = { audioinput: 'Microphone', audiooutput: 'Speaker' } as const

/** Options for a list, the system's own choice first. */
export function deviceOptions(
  devices: readonly Pick<MediaDeviceInfo, 'deviceId' | 'kind' | 'label'>[],
  kind: keyof typeof NOUNS,
): DeviceOption[] {
  const named = devices.filter(
    (one) => one.kind === kind && !['', 'default', 'communications'].includes(one.deviceId),
  )
  return [
    DEFAULT_OPTION,
    ...named.map((one, index) => ({
      id: one.deviceId,
      label: one.label || `${NOUNS[kind]} ${index + 1}`,
    })),
  ]
}

/** The wanted device where it is still there, else the default. */
export function chosenId(options: readonly DeviceOption[], wanted: string): string {
  return options.some((one) => one.id === wanted) ? wanted : DEFAULT_OPTION.id
}
