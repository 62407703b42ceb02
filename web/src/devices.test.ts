import { expect, test } from 'vitest'
import { chosenId, deviceOptions } from './devices'

const device = (kind: MediaDeviceKind, deviceId: string, label = '') => ({ kind, deviceId, label })

test('each list holds its own kind, the default first and once', () => {
  const all = [
    device('audioinput', 'default', 'Default'),
    device('audioinput', 'a', 'Headset'),
    device('audiooutput', 'b', 'Loudspeaker'),
    device('videoinput', 'c', 'Camera'),
  ]
  expect(deviceOptions(all, 'audioinput').map(({ label }) => label)).toEqual(['System default', 'Headset'])
  expect(deviceOptions(all, 'audiooutput').map(({ id }) => id)).toEqual(['', 'b'])
})

test('before permission only the default is offered', () => {
  expect(deviceOptions([device('audioinput', '')], 'audioinput')).toHaveLength(1)
})

test('a device without a name is numbered', () => {
  expect(deviceOptions([device('audioinput', 'x')], 'audioinput')[1]!.label).toBe('Microphone 1')
})

test('a chosen device that is gone gives way to the default', () => {
  const options = deviceOptions([device('audioinput', 'a')], 'audioinput')
  expect([chosenId(options, 'a'), chosenId(options, 'b')]).toEqual(['a', ''])
})
