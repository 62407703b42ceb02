// Spoken conversations in real Chromium with a gateway that runs: node conversation.mjs PLAN
//
// PLAN is JSON: {url, seconds, calls: [{microphone, recording}], reloads?, echo?, picture?}. Every call is
// a browser of its own; all press Talk together and hang up after so many seconds of conversation.
// `microphone` is a wav, played once from the moment the page asks for it. `recording` becomes raw
// 16 bit stereo: the microphone left, the agent right, on one AudioContext clock. With `reloads` the
// page is reloaded when the agent is in mid-sentence, and talks again once the old slot is free. With
// `echo` {gain, delayMs} the page's microphone hears the agent too, as from a loudspeaker beside it;
// no echo canceller knows of it, and the recording has the microphone without it.
//
// Prints one line of JSON: per call what the page showed and when, on the clock of the recording, and
// what is to complain of: errors of the page and requests to any host but loopback.
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const RECORDER = readFileSync(new URL('recorder.js', import.meta.url), 'utf8')
const MID_SENTENCE_WORDS = 3
const FREE_TIMEOUT_MS = 15_000

const { url, seconds, calls, reloads = false, echo, picture } = JSON.parse(process.argv[2])
const opened = await Promise.all(calls.map(open))
const results = await Promise.all(opened.map(converse))
console.log(JSON.stringify(results))

async function open({ microphone, recording }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
      ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
      ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
      ...['--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection'],
      `--use-file-for-fake-audio-capture=${microphone}%noloop`,
    ],
  })
  // less motion: without a GPU the waveform would take a tenth of a core from the engine
  const viewport = { width: 1200, height: 900 }
  const page = await browser.newPage({ viewport, reducedMotion: 'reduce' })
  const complaints = []
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()))
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url())
    if (protocol !== 'blob:' && hostname !== '127.0.0.1') complaints.push(request.url())
  })
  await page.route(url, allowRecorder)
  await page.addInitScript(recordBothSides, { recorder: RECORDER, echo })
  await page.goto(url)
  return { browser, page, recording, complaints }
}

/** The page's content policy stays in force, but for the recorder's blob. */
async function allowRecorder(route) {
  const response = await route.fetch()
  const headers = response.headers()
  headers['content-security-policy'] += "; script-src 'self' blob:"
  await route.fulfill({ response, headers })
}

async function converse({ browser, page, recording, complaints }) {
  await talk(page)
  const reload = reloads ? await reloadInMidSentence(page) : {}
  await page.waitForTimeout(seconds * 1000)
  if (picture) await page.screenshot({ path: picture, fullPage: true })
  const { sound, ...result } = await page.evaluate(() => window.recorded())
  writeFileSync(recording, Buffer.from(sound, 'base64'))
  await page.click('#talk')
  await page.locator('body[data-phase=idle]').waitFor()
  await browser.close()
  return { ...result, ...reload, complaints }
}

async function talk(page) {
  await page.click('#talk')
  await page.locator('body[data-phase=live]').waitFor({ timeout: 20_000 })
}

async function reloadInMidSentence(page) {
  await page.waitForFunction(
    (count) => window.shown('agent').split(' ').length >= count,
    MID_SENTENCE_WORDS,
    { polling: 20, timeout: 30_000 },
  )
  const cut = await page.evaluate(() => window.shown('agent'))
  const [freedMs] = await Promise.all([slotIsFree(), page.reload()])
  await talk(page)
  return { cut, freedMs }
}

async function slotIsFree() {
  const beginMs = performance.now()
  for (;;) {
    const { num_free: numFree, num_slots: numSlots } = await (await fetch(`${url}api/status`)).json()
    if (numFree === numSlots) return Math.round(performance.now() - beginMs)
    if (performance.now() - beginMs > FREE_TIMEOUT_MS) throw new Error('the slot is never freed')
    await new Promise((done) => setTimeout(done, 20))
  }
}

/** In the page: keeps every sample of both sides, and every change of the transcript. */
function recordBothSides({ recorder, echo }) {
  const batches = []
  const changes = []
  let context, node, begin, loudspeaker
  const clock = () => ({ wallMs: performance.now(), audioMs: context.currentTime * 1000 })

  window.shown = (side) =>
    [...document.querySelectorAll(`#transcript .column.${side} .text`)]
      .map((element) => element.textContent)
      .join(' ')

  async function start(microphone) {
    context = new AudioContext({ latencyHint: 'interactive' })
    const module = new Blob([recorder], { type: 'text/javascript' })
    await context.audioWorklet.addModule(URL.createObjectURL(module))
    const mono = { channelCount: 1, channelCountMode: 'explicit' }
    node = new AudioWorkletNode(context, 'recorder', { numberOfInputs: 2, ...mono })
    node.port.onmessage = ({ data }) => batches.push(data)
    node.connect(context.destination)
    begin = clock()
    new MutationObserver(() => {
      const atMs = clock().audioMs - begin.audioMs
      changes.push({ atMs, user: window.shown('user'), agent: window.shown('agent') })
    }).observe(document.getElementById('transcript'), { childList: true, subtree: true })
    context.createMediaStreamSource(microphone).connect(node, 0, 0)
  }

  const devices = navigator.mediaDevices
  const getUserMedia = devices.getUserMedia.bind(devices)
  devices.getUserMedia = async (constraints) => {
    const microphone = await getUserMedia(constraints)
    await start(microphone)
    return echo ? withEcho(microphone) : microphone
  }

  function withEcho(microphone) {
    const mixed = context.createMediaStreamDestination()
    const delay = context.createDelay()
    delay.delayTime.value = echo.delayMs / 1000
    loudspeaker = new GainNode(context, { gain: echo.gain })
    loudspeaker.connect(delay).connect(mixed)
    context.createMediaStreamSource(microphone).connect(mixed)
    return mixed.stream
  }

  const Native = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args)
      this.addEventListener('track', ({ track }) => {
        const agent = context.createMediaStreamSource(new MediaStream([track]))
        agent.connect(node, 0, 1)
        if (loudspeaker) agent.connect(loudspeaker)
      })
    }
  }

  window.recorded = async () => {
    const end = clock()
    const bytes = new Uint8Array(await new Blob(batches).arrayBuffer())
    let text = ''
    for (let i = 0; i < bytes.length; i += 32768) {
      text += String.fromCharCode(...bytes.subarray(i, i + 32768))
    }
    // how far the audio clock fell behind the wall's: a late one would flatter every interval
    const slipMs = end.wallMs - begin.wallMs - (end.audioMs - begin.audioMs)
    return { rate: context.sampleRate, slipMs, changes, sound: btoa(text) }
  }
}
