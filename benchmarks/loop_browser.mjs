// Calls from real Chromium, for bench_loop.py: node loop_browser.mjs WAV
//
// The wav is the microphone. One JSON object a line. In: {"seconds": N} places a call. Out: {"offer"},
// in: {"answer"}, out: {"recording": true} when it is connected, and after N seconds {"call"}: the
// microphone and what came back, both recorded by one AudioWorklet (base64 of int16, 48 kHz), and
// the receiver's statistics of each second. Or {"error"}. The end of stdin ends it.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'

const require = createRequire(new URL('../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
// never asked for: a page on localhost may use the microphone
const PAGE = 'http://localhost:9/'

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
    ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
    ...['--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream'],
    ...['--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection'],
    `--use-file-for-fake-audio-capture=${process.argv[2]}`,
  ],
})
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const hear = async () => {
  const { value, done } = await lines.next()
  return done ? null : JSON.parse(value)
}

for (let order = await hear(); order; order = await hear()) {
  const page = await browser.newPage()
  try {
    await page.route(PAGE, (route) => route.fulfill({ contentType: 'text/html', body: '<p>loop' }))
    await page.exposeFunction('exchange', async (offer) => {
      say({ offer })
      return (await hear()).answer
    })
    await page.exposeFunction('recording', () => say({ recording: true }))
    await page.goto(PAGE)
    say({ call: await page.evaluate(call, order.seconds) })
  } catch (error) {
    say({ error: String(error) })
  }
  await page.close()
}
await browser.close()

/** In the page: one call. */
async function call(seconds) {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms))
  const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
  const microphone = await navigator.mediaDevices.getUserMedia({ audio })
  const context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' })
  const worklet = `registerProcessor('recorder', class extends AudioWorkletProcessor {
    process([sent, returned]) {
      const block = new Int16Array(256)
      for (const [at, [channel]] of [[0, sent], [128, returned]]) {
        for (let i = 0; channel && i < 128; i++) {
          block[at + i] = 32767 * Math.max(-1, Math.min(1, channel[i]))
        }
      }
      this.port.postMessage(block, [block.buffer])
      return true
    }
  })`
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: 'text/javascript' })))
  const recorder = new AudioWorkletNode(context, 'recorder', { numberOfInputs: 2 })
  const mute = new GainNode(context, { gain: 0 })
  recorder.connect(mute).connect(context.destination)
  context.createMediaStreamSource(microphone).connect(recorder, 0, 0)

  const pc = new RTCPeerConnection({ iceServers: [] })
  const channel = pc.createDataChannel('rtvi')
  const ping = setInterval(() => channel.readyState === 'open' && channel.send('ping'), 1000)
  pc.addTransceiver(microphone.getAudioTracks()[0], { direction: 'sendrecv' })
  pc.ontrack = ({ track }) => {
    const stream = new MediaStream([track])
    const sink = new Audio() // a remote track is silent in WebAudio unless it plays somewhere
    sink.muted = true
    sink.srcObject = stream
    sink.play()
    context.createMediaStreamSource(stream).connect(recorder, 0, 1)
  }
  await pc.setLocalDescription(await pc.createOffer())
  while (pc.iceGatheringState !== 'complete') await sleep(10)
  const answer = await exchange(pc.localDescription.sdp)
  await pc.setRemoteDescription({ type: 'answer', sdp: answer })
  const deadline = performance.now() + 15000
  while (pc.connectionState !== 'connected') {
    if (performance.now() > deadline) throw new Error(`not connected in 15 s: ${pc.connectionState}`)
    await sleep(10)
  }

  const blocks = []
  recorder.port.onmessage = ({ data }) => blocks.push(data)
  await recording()
  const receiver = pc.getReceivers()[0]
  const stats = []
  for (let second = 0; second <= seconds; second++) {
    for (const item of (await receiver.getStats()).values()) {
      if (item.type === 'inbound-rtp') stats.push(item)
    }
    await sleep(1000 * Math.min(1, seconds - second))
  }
  recorder.port.onmessage = null
  clearInterval(ping)
  pc.close()
  microphone.getTracks().forEach((track) => track.stop())
  await context.close()

  const encode = (from) => {
    const sound = new Int16Array(blocks.length * 128)
    blocks.forEach((block, i) => sound.set(block.subarray(from, from + 128), i * 128))
    const bytes = new Uint8Array(sound.buffer)
    let text = ''
    for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768))
    return btoa(text)
  }
  return { sent: encode(0), returned: encode(128), stats }
}
