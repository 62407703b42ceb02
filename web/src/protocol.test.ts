import { describe, expect, test } from 'vitest'
import golden from '../../tests/web/golden/protocol.json'
import * as protocol from './protocol'

type Call = (...args: unknown[]) => unknown
const call = (name: string) => (protocol as unknown as Record<string, Call>)[name]!

describe('the page sends', () => {
  test.each(golden.client)('$name', ({ call: name, args, text, wire }) => {
    const sent = call(name)(...args) as string
    if (text) expect(sent).toBe(text)
    else expect(JSON.parse(sent)).toEqual(wire)
  })

  test.each(golden.offer)('$name', ({ args, wire }) => {
    expect(call('offer')(...args)).toEqual(wire)
  })

  test('candidates with the names of the gateway', () => {
    const browsers = { candidate: 'candidate:1 1 udp 1 127.0.0.1 9 typ host', sdpMid: '0', sdpMLineIndex: 0 }
    expect(protocol.trickle('pc-1', [browsers])).toEqual({
      pc_id: 'pc-1',
      candidates: [{ candidate: browsers.candidate, sdp_mid: '0', sdp_mline_index: 0 }],
    })
  })
})

describe('the page understands', () => {
  test.each(golden.server)('$name', ({ wire, means }) => {
    expect(protocol.parseServerMessage(JSON.stringify(wire))).toEqual(means)
  })

  test.each(golden.http)('$name', ({ call: name, wire, means }) => {
    expect(call(name)(wire)).toEqual(means)
  })

  test.each(['', '{', 'null', '7', '"word"'])('rubbish as nothing: %j', (text) => {
    expect(protocol.parseServerMessage(text)).toBeNull()
  })
})
