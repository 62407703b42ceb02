// Chromium for the page's tests: headless, loopback only, a wav file as the microphone.
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { speechLikeWav } from './voices.mjs'

const require = createRequire(new URL('../../web/package.json', import.meta.url))
const { chromium } = require('playwright-core')
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

const FLAGS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--use-fake-device-for-media-stream', '--autoplay-policy=no-user-gesture-required'],
  ...['--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns'],
]

/** The caller speaks at 0.4 to 2 s, at 5 to 7.5 s, and again every 9 s. */
export async function launch({ isMicrophoneAllowed = true } = {}) {
  const wav = join(mkdtempSync(join(tmpdir(), 'voiceagent-web-')), 'caller.wav')
  writeFileSync(wav, speechLikeWav(9, [[0.4, 2], [5, 7.5]]))
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      ...FLAGS,
      `--use-file-for-fake-audio-capture=${wav}`,
      ...(isMicrophoneAllowed ? ['--use-fake-ui-for-media-stream'] : ['--deny-permission-prompts']),
    ],
  })
}

/** What axe-core holds against the page as it stands: serious and critical only. */
export async function axeFindings(page) {
  await page.evaluate(AXE)
  const { violations } = await page.evaluate(() => window.axe.run(document))
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(' | ')}`)
}
