// The built page in a real browser: a conversation, every fault, keyboard, axe, pictures to look at.
//
//   make the page first (cd web && npm ci && npm run build), then: node tests/web/page.test.mjs
//
// Needs Chromium (CHROMIUM=path, default /usr/bin/chromium); reaches nothing but 127.0.0.1.
// Pictures go to SHOTS=folder, default web/node_modules/.cache/page.
import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, afterEach, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { axeFindings, launch } from './browser.mjs'
import { FakeGateway } from './fake_gateway.mjs'

const SHOTS = process.env.SHOTS ?? fileURLToPath(new URL('../../web/node_modules/.cache/page/', import.meta.url))
const DESKTOP = { width: 1280, height: 900 }
const PHONE = { width: 360, height: 740 }
const gateway = new FakeGateway()
const STATUS = gateway.status
const SESSION_ID = 'ab'.repeat(16)
const AXES = {
  labels: 'estimated',
  pauses_held: { count: 2, of: 2 },
  floor_kept: { count: 3, of: 3 },
  turns_taken: { count: 3, of: 3 },
  interruptions_honoured: { count: 1, of: 1 },
  backchannels: 1,
  turn_latency_ms: { last: 640, p50: 560 },
  stop_ms: { last: 480, p50: 480 },
}
let url, browser, peerPage, page, complaints

before(async () => {
  mkdirSync(SHOTS, { recursive: true })
  url = await gateway.start()
  browser = await launch()
  peerPage = await browser.newPage()
  await peerPage.goto(`${url}peer`)
})

after(async () => {
  await browser?.close()
  gateway.stop()
})

afterEach(async () => {
  await page?.context().close()
  assert.deepEqual(complaints, [], 'console errors, blocked resources or foreign requests')
})

async function open({ viewport = DESKTOP, scheme = 'light', motion = 'no-preference', hash = '', setUp, from = browser, recorded = false } = {}) {
  gateway.requests.length = 0
  gateway.onOffer = async ({ sdp }) => {
    const answer = await peerPage.evaluate((offer) => peer.answer(offer), sdp)
    return { status: 200, json: { sdp: answer, type: 'answer', pc_id: 'pc-1', ...(recorded && { session_id: SESSION_ID }) } }
  }
  gateway.onSession = (id) => ({
    status: 200,
    json: { id, duration_ms: 12_000, end_reason: 'the client hung up', axes: AXES },
  })
  gateway.onPatch = ({ candidates }) => peerPage.evaluate((all) => peer.addCandidates(all), candidates)
  const context = await from.newContext({ viewport, colorScheme: scheme, reducedMotion: motion, deviceScaleFactor: 1 })
  page = await context.newPage()
  complaints = []
  page.on('console', (line) => {
    // a refusal that the page is being tested with shows up as a failed resource
    if (line.type() === 'error' && !line.location().url.includes('/api/')) complaints.push(line.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    if (!request.url().startsWith(url)) complaints.push(request.url())
  })
  if (setUp) await page.addInitScript(setUp)
  await page.goto(`${url}${hash}`)
  await page.locator('#service', { hasText: 'nano' }).waitFor()
}

const talk = () => page.locator('#talk')
const headline = (text) => page.locator('h1', { hasText: text }).waitFor({ timeout: 15_000 })
const onPeer = (script, argument) => peerPage.evaluate(script, argument)

async function connect(options) {
  await open(options)
  await talk().click()
  await page.locator('body[data-phase=live]').waitFor({ timeout: 15_000 })
}

async function check(name) {
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
  assert.deepEqual(await axeFindings(page), [], `axe: ${name}`)
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  assert.ok(overflow <= 0, `${name} is ${overflow} px too wide`)
}

async function converse() {
  await onPeer(() => {
    peer.say('user', 'hello', 600)
    peer.say('agent', 'hello how can i help you', 1500)
    peer.say('user', 'what is three plus four', 5200)
    peer.say('agent', 'three plus four is seven', 7900)
    peer.say('user', 'uh huh', 8600)
    peer.stats()
  })
}

for (const scheme of ['light', 'dark']) {
  test(`idle, ${scheme}`, async () => {
    await open({ scheme })
    await check(`idle-${scheme}`)
  })

  test(`denied microphone, ${scheme}`, async () => {
    const denying = await launch({ isMicrophoneAllowed: false })
    try {
      await open({ scheme, from: denying })
      await talk().click()
      await headline('The microphone is blocked')
      await check(`denied-${scheme}`)
    } finally {
      await denying.close()
    }
  })

  test(`talking, then both at once, ${scheme}`, async () => {
    await connect({ scheme })
    await converse()
    await page.waitForTimeout(2600)
    await onPeer(() => peer.speak(1.8))
    await headline('It is speaking.')
    await page.waitForTimeout(1000)
    await check(`talking-${scheme}`)
    await headline('You are speaking.')
    await onPeer(() => peer.speak(2))
    await headline('Both at once.')
    await page.waitForTimeout(900)
    await check(`overlap-${scheme}`)
  })
}

for (const scheme of ['light', 'dark']) {
  test(`a phone of 360 px, ${scheme}`, async () => {
    await open({ viewport: PHONE, scheme })
    await check(`phone-idle-${scheme}`)
    await page.screenshot({ path: join(SHOTS, `phone-idle-${scheme}-fold.png`) })
    await talk().click()
    await page.locator('body[data-phase=live]').waitFor({ timeout: 15_000 })
    await converse()
    await onPeer(() => peer.speak(2.5))
    await page.waitForTimeout(2000)
    await check(`phone-talking-${scheme}`)
    await page.screenshot({ path: join(SHOTS, `phone-talking-${scheme}-fold.png`) })
  })
}

for (const scheme of ['light', 'dark']) {
  test(`role and voice are chosen by keyboard and sent with the offer, ${scheme}`, async () => {
    gateway.status = { ...STATUS, is_promptable: true, voices: ['anna', 'NATF0'] }
    try {
      await open({ scheme })
      await page.getByRole('region', { name: 'Agent' }).waitFor()
      await page.getByLabel('Role').focus()
      await page.keyboard.type('You are Anna of the bakery.')
      await page.keyboard.press('Tab')
      await page.keyboard.type('NATF0')
      await check(`persona-${scheme}`)
      await talk().press('Enter')
      await page.locator('body[data-phase=live]').waitFor({ timeout: 15_000 })
      const { role, voice } = gateway.requests[0].body
      assert.deepEqual([role, voice], ['You are Anna of the bakery.', 'NATF0'])
      assert.equal(await page.getByLabel('Role').isEditable(), false)
      assert.equal(await page.locator('#voice').isDisabled(), true)
      await check(`persona-talking-${scheme}`)
    } finally {
      gateway.status = STATUS
    }
  })
}

for (const [name, viewport] of [['desktop', DESKTOP], ['phone', PHONE]]) {
  for (const scheme of ['light', 'dark']) {
    test(`a recorded call shows its axes, then how it went, ${name}, ${scheme}`, async () => {
      await connect({ viewport, scheme, recorded: true })
      assert.equal(await page.locator('#turns').isVisible(), false)
      await converse()
      await onPeer((axes) => peer.axes(axes), AXES)
      await page.getByRole('region', { name: 'Turn-taking estimated' }).waitFor()
      const shown = await page.locator('#turns dd').allTextContents()
      const axes = ['2 of 2', '3 of 3', '1', '3 of 3', '640 / 560 ms', '1 of 1', '480 / 480 ms']
      assert.deepEqual(shown, ['agent', 'speaking', ...axes])
      await check(`turns-${name}-${scheme}`)
      await talk().click()
      const link = page.getByRole('link', { name: 'See how it went' })
      await link.waitFor()
      assert.equal(await page.locator('#turns').isVisible(), false)
      assert.match(await page.locator('#announce').textContent(), /3 of 3 turns answered.*estimated/)
      await check(`outcome-${name}-${scheme}`)
      const [report] = await Promise.all([page.context().waitForEvent('page'), link.click()])
      await report.getByRole('heading', { name: 'How it went' }).waitFor()
      assert.equal(new URL(report.url()).pathname, `/api/sessions/${SESSION_ID}/report`)
      await talk().click()
      await page.locator('body[data-phase=live]').waitFor({ timeout: 15_000 })
      assert.equal(await page.locator('#outcome').isVisible(), false)
    })
  }
}

test('with a key, the report is fetched with it and opened by keyboard', async () => {
  await connect({ recorded: true, hash: '#token=s3cret' })
  await talk().click()
  const link = page.getByRole('link', { name: 'See how it went' })
  await link.waitFor()
  const [report] = await Promise.all([page.context().waitForEvent('page'), link.press('Enter')])
  await report.getByRole('heading', { name: 'How it went' }).waitFor()
  assert.match(report.url(), /^blob:/)
  const asked = gateway.requests.filter(({ path }) => path?.endsWith('/report'))
  assert.deepEqual(asked.map(({ headers }) => headers.authorization), ['Bearer s3cret'])
})

test('a call that nobody records ends without a word about it', async () => {
  await connect()
  await talk().click()
  await page.waitForTimeout(1200)
  assert.equal(await page.locator('#outcome').isVisible(), false)
  assert.equal(gateway.requests.some(({ path }) => path?.includes('sessions')), false)
})

test('a record that cannot be had is not spoken of', async () => {
  await connect({ recorded: true })
  gateway.onSession = () => ({ status: 404, json: { detail: 'no record', code: 'no_session' } })
  await talk().click()
  await page.waitForTimeout(1200)
  assert.equal(await page.locator('#outcome').isVisible(), false)
  assert.equal(await page.evaluate(() => document.body.dataset.phase), 'idle')
})

test('a model that can be told nothing shows no fields for it', async () => {
  await open()
  assert.equal(await page.locator('#persona').isVisible(), false)
})

test('what the gateway receives: audio first, key, candidates, ping, client-ready, playout', async () => {
  await connect({ hash: '#token=s3cret' })
  await page.waitForTimeout(2600)
  const [offer, ...patches] = gateway.requests
  assert.equal(offer.headers.authorization, 'Bearer s3cret')
  assert.equal(offer.body.type, 'offer')
  assert.deepEqual(offer.body.sdp.match(/^m=\w+/gm), ['m=audio', 'm=application'])
  assert.ok(patches.every(({ method, body }) => method === 'PATCH' && body.pc_id === 'pc-1'))
  assert.ok(patches.flatMap(({ body }) => body.candidates).every(({ candidate }) => candidate.startsWith('candidate:')))
  const received = await onPeer(() => peer.received)
  assert.equal(JSON.parse(received[0]).type, 'client-ready')
  assert.ok(received.filter((text) => /^ping: \d+$/.test(text)).length >= 3)
  const played = received
    .filter((text) => text.includes('playout'))
    .map((text) => JSON.parse(text).data.d.played_ms)
  assert.ok(played.length >= 8 && played.at(-1) > 1500 && played.at(-1) < 4500, String(played))
  assert.deepEqual(played, [...played].sort((a, b) => a - b))
})

test('the latency panel fills from both sources', async () => {
  await connect()
  await onPeer(() => peer.stats(23400, 31000))
  await page.waitForTimeout(2200)
  assert.equal(await page.locator('#step').textContent(), '23 ms')
  assert.equal(await page.locator('#lag').textContent(), '31 ms')
  for (const id of ['rtt', 'jitter-buffer']) {
    assert.match(await page.locator(`#${id}`).textContent(), /^\d+(\.\d)? ms$/)
  }
})

test('muting silences the voice and keeps the track', async () => {
  await connect()
  await page.locator('#mute').click()
  assert.equal(await page.locator('#mute').getAttribute('aria-pressed'), 'true')
  await page.waitForTimeout(600)
  const before = await onPeer(() => peer.heardSeconds())
  await page.waitForTimeout(6500)
  assert.ok((await onPeer(() => peer.heardSeconds())) - before < 1e-4, 'the caller is still heard')
  assert.equal(await onPeer(() => peer.pc.connectionState), 'connected')
})

test('keyboard alone: talk, mute and hang up, with a focus ring', async () => {
  await open()
  await page.keyboard.press('Tab')
  assert.equal(await page.evaluate(() => document.activeElement.id), 'talk')
  assert.notEqual(await talk().evaluate((button) => getComputedStyle(button).outlineStyle), 'none')
  await page.keyboard.press('Enter')
  await page.locator('body[data-phase=live]').waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Space')
  assert.equal(await page.locator('#mute').getAttribute('aria-pressed'), 'true')
  await page.keyboard.press('Shift+Tab')
  await page.keyboard.press('Enter')
  await page.locator('body[data-phase=idle]').waitFor()
})

test('a screen reader hears finished turns and phases, once each', async () => {
  await connect()
  assert.equal(await page.locator('#announce').textContent(), 'Connected. The agent is listening.')
  await onPeer(() => peer.say('agent', 'three plus four is seven', 900))
  assert.equal(await page.locator('#said p').count(), 0)
  await page.waitForTimeout(1800)
  assert.deepEqual(await page.locator('#said p').allTextContents(), ['Agent: three plus four is seven'])
})

test('less motion: the waveform redraws twice a second, the conversation is the same', async () => {
  await connect({ motion: 'reduce' })
  await converse()
  assert.equal(await page.locator('.passage').count(), 4)
})

test('a second conversation starts clean', async () => {
  await connect()
  await converse()
  await talk().click()
  await page.locator('body[data-phase=idle]').waitFor()
  assert.equal(await page.locator('.passage').count(), 4)
  await talk().click()
  await page.locator('body[data-phase=live]').waitFor()
  assert.equal(await page.locator('.passage').count(), 0)
})

test('changing the microphone keeps the conversation', async () => {
  await connect()
  await page.locator('#microphone option').nth(1).waitFor({ state: 'attached' })
  await page.locator('#microphone').selectOption({ index: 1 })
  await page.waitForTimeout(800)
  assert.equal(await page.evaluate(() => document.body.dataset.phase), 'live')
  assert.equal(gateway.requests.filter(({ method }) => method === 'POST').length, 1)
})

for (const [name, title] of [
  ['NotFoundError', 'No microphone found'],
  ['NotReadableError', 'The microphone is in use'],
  ['OverconstrainedError', 'That microphone is gone'],
]) {
  test(`${name} has words of its own`, async () => {
    await open({
      setUp: `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '${name}'))`,
    })
    await talk().click()
    await headline(title)
    await check(`fault-${name}`)
  })
}

for (const [name, setUp, title] of [
  ['insecure', "Object.defineProperty(window, 'isSecureContext', { value: false })", 'not secure enough'],
  ['no-webrtc', 'delete window.RTCPeerConnection', 'cannot hold a live conversation'],
]) {
  test(`${name} has words of its own, and no button that cannot help`, async () => {
    await open({ setUp })
    await talk().click()
    await headline(title)
    assert.equal(await talk().isDisabled(), true)
    await check(`fault-${name}`)
  })
}

for (const [name, status, json, title, advice] of [
  ['at-capacity', 503, { detail: 'full', code: 'at_capacity', retry_after_s: 20 }, 'All places are taken', 'about 20 seconds'],
  ['unauthorized', 401, { detail: 'no token' }, 'asks for a key', '#token='],
  ['too-big', 413, { detail: 'body over 64 KiB' }, 'refused', 'over 64 KiB'],
  ['bad-offer', 400, { detail: 'no audio line' }, 'refused', 'no audio line'],
]) {
  test(`${name} has words of its own and can be tried again`, async () => {
    await open()
    const working = gateway.onOffer
    gateway.onOffer = async () => ({ status, json })
    await talk().click()
    await headline(title)
    assert.ok((await page.locator('#lead').textContent()).includes(advice))
    await check(`fault-${name}`)
    gateway.onOffer = working
    await talk().click()
    await page.locator('body[data-phase=live]').waitFor()
  })
}

test('a server that does not answer has words of its own', async () => {
  await open()
  await page.route('**/api/offer', (route) => route.abort())
  await talk().click()
  await headline('The server does not answer')
  await check('fault-unreachable')
})

test('the server’s goodbye says why, and the transcript stays', async () => {
  await connect()
  await converse()
  await onPeer(() => peer.send('server-message', { t: 'ended', reason: 'the engine restarted' }))
  await headline('The server ended the conversation')
  assert.ok((await page.locator('#lead').textContent()).includes('the engine restarted'))
  assert.equal(await page.locator('.passage').count(), 4)
  await check('fault-ended')
})

test('rubbish on the channel changes nothing', async () => {
  await connect()
  await onPeer(() => {
    for (const text of ['', '{', 'null', '[]', '{"label":"rtvi-ai"}', 'x'.repeat(10_000)]) peer.channel.send(text)
    peer.channel.send(new Uint8Array([1, 2, 3]))
    peer.say('agent', 'hello', 100)
  })
  await page.locator('.passage').waitFor()
  assert.equal(await page.evaluate(() => document.body.dataset.phase), 'live')
})
