import { expect, test, vi } from 'vitest'
import { Gateway, GatewayError, tokenFrom } from './gateway'

const reply = (status: number, body: unknown) =>
  vi.fn(async (_path: string, _init: RequestInit) => new Response(JSON.stringify(body), { status }))

const gateway = (fetch: unknown, token: string | null = null) =>
  new Gateway(fetch as typeof globalThis.fetch, token)

const faultOf = (promise: Promise<unknown>) =>
  promise.then(() => null, (error: unknown) => (error instanceof GatewayError ? error.fault : error))

const OFFER = { sdp: 'v=0', type: 'offer' } as const

test('the key travels in the header', async () => {
  const fetch = reply(200, { sdp: 'v=0', type: 'answer', pc_id: 'p' })
  await gateway(fetch, 's3cret').offer(OFFER)
  const [path, init] = fetch.mock.calls[0]!
  expect(path).toBe('api/offer')
  expect(init.headers).toMatchObject({ Authorization: 'Bearer s3cret' })
  expect(JSON.parse(String(init.body))).toEqual(OFFER)
})

test('without a key there is no header', async () => {
  const fetch = reply(200, { model: 'nano', num_slots: 1, num_free: 1 })
  expect(await gateway(fetch).status()).toMatchObject({ model: 'nano', authRequired: false })
  expect(fetch.mock.calls[0]![1].headers).toEqual({})
})

test('a refusal becomes its fault', async () => {
  const full = reply(503, { detail: 'full', code: 'at_capacity', retry_after_s: 7 })
  expect(await faultOf(gateway(full).offer(OFFER))).toEqual({ kind: 'at-capacity', retryAfterS: 7 })
})

test('a refusal without JSON is a fault, too', async () => {
  const plain = vi.fn(async () => new Response('no', { status: 413 }))
  expect(await faultOf(gateway(plain).offer(OFFER))).toEqual({ kind: 'refused', detail: 'status 413' })
})

test('silence is unreachable', async () => {
  const silent = vi.fn(() => Promise.reject(new TypeError('failed to fetch')))
  expect(await faultOf(gateway(silent).status())).toEqual({ kind: 'unreachable' })
})

test.each([
  ['offer', () => gateway(reply(200, {})).offer(OFFER)],
  ['status', () => gateway(reply(200, [])).status()],
])('an answer to %s that is none is unreachable', async (_name, ask) => {
  expect(await faultOf(ask())).toMatchObject({ kind: 'unreachable' })
})

test.each([['#token=abc', 'abc'], ['', null], ['#', null], ['#token=', null], ['#a=b&token=x', 'x']])(
  'the key in %j is %j',
  (fragment, token) => expect(tokenFrom(fragment)).toBe(token),
)

const SHARE = { count: 1, of: 1 }
const TIME = { last: 480, p50: 480 }
const PAST = {
  id: 'ab',
  duration_ms: 80,
  axes: {
    labels: 'estimated',
    ...{ pauses_held: SHARE, floor_kept: SHARE, turns_taken: SHARE, interruptions_honoured: SHARE },
    ...{ backchannels: 0, turn_latency_ms: TIME, stop_ms: TIME },
  },
}

test('a past conversation is asked for by its id', async () => {
  const fetch = reply(200, PAST)
  expect(await gateway(fetch).pastSession('ab')).toMatchObject({ id: 'ab', durationMs: 80 })
  expect(fetch.mock.calls[0]![0]).toBe('api/sessions/ab')
})

test('a past conversation without a record is a fault like another', async () => {
  expect(await faultOf(gateway(reply(404, {})).pastSession('ab'))).toMatchObject({ kind: 'refused' })
})

test('a report has a plain link where no key is needed, and is fetched with it where one is', async () => {
  expect(gateway(reply(200, {})).reportPath('ab')).toBe('api/sessions/ab/report')
  const fetch = reply(200, '<h1>')
  expect(gateway(fetch, 's3cret').reportPath('ab')).toBeNull()
  expect(await (await gateway(fetch, 's3cret').report('ab'))!.text()).toBe('"<h1>"')
  expect(fetch.mock.calls[0]![1].headers).toMatchObject({ Authorization: 'Bearer s3cret' })
  expect(await gateway(reply(500, {}), 's3cret').report('ab')).toBeNull()
})
