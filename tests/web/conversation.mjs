// One spoken conversation in real Chromium with a gateway that runs: node conversation.mjs URL WAV SECONDS [PNG]
//
// The wav is the microphone, played once from the moment the page asks for it. Prints one line of
// JSON: the transcript as the page shows it, and the agent's sound as the browser played it (base64
// of float32 at the AudioContext's rate). Asks nothing but loopback.
import { createRequire } from 'node:module'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const [url, wav, seconds, picture] = process.argv.slice(2)

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    ...['--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection'],
    `--use-file-for-fake-audio-capture=${wav}%noloop`,
  ],
})
const page = await browser.newPage({ viewport: { width: 1200, height: 900 } })
const elsewhere = []
page.on('request', (request) => {
  if (new URL(request.url()).hostname !== '127.0.0.1') elsewhere.push(request.url())
})
await page.addInitScript(recordRemoteTracks)
await page.goto(url)
await page.click('#talk')
await page.waitForFunction(() => document.body.dataset.phase === 'live', null, { timeout: 20_000 })
await page.waitForTimeout(Number(seconds) * 1000)
if (picture) await page.screenshot({ path: picture, fullPage: true })
const result = await page.evaluate(async () => ({
  transcript: [...document.querySelectorAll('#transcript li')].map((item) => item.innerText),
  ...(await window.agentSound()),
}))
await page.click('#talk')
await browser.close()
console.log(JSON.stringify({ ...result, elsewhere }))

/** In the page: keeps every sample of the remote audio track. */
function recordRemoteTracks() {
  const chunks = []
  let rate = 0
  const Native = window.RTCPeerConnection
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args)
      this.addEventListener('track', ({ track }) => {
        const context = new AudioContext()
        rate = context.sampleRate
        const source = context.createMediaStreamSource(new MediaStream([track]))
        const tap = context.createScriptProcessor(4096, 1, 1)
        tap.onaudioprocess = ({ inputBuffer }) => chunks.push(inputBuffer.getChannelData(0).slice())
        source.connect(tap).connect(context.destination)
      })
    }
  }
  window.agentSound = async () => {
    const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer())
    let text = ''
    for (let i = 0; i < bytes.length; i += 32768) {
      text += String.fromCharCode(...bytes.subarray(i, i + 32768))
    }
    return { rate, sound: btoa(text) }
  }
}
