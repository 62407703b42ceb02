// A gateway for the page's tests: serves the built page as the real one must (content policy
// included) and lets the test say how offers are answered. 127.0.0.1 only.
import { createReadStream, existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../voiceagent/_web/', import.meta.url))
const PEER = fileURLToPath(new URL('fake_peer.js', import.meta.url))
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
}
export const HEADERS = {
  'Content-Security-Policy':
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
  'Permissions-Policy': 'microphone=(self), speaker-selection=(self), screen-wake-lock=(self)',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
}

export class FakeGateway {
  requests = []
  /** What `POST /api/offer` does: (body) => {status, json}. */
  onOffer = async () => ({ status: 503, json: { detail: 'full', code: 'at_capacity', retry_after_s: 20 } })
  onPatch = async () => undefined
  /** What `GET /api/sessions/ID` does: (id) => {status, json}; `report` is its page. */
  onSession = () => ({ status: 404, json: { detail: 'no record', code: 'no_session' } })
  report = '<!doctype html><html lang="en"><title>Session</title><h1>How it went</h1></html>'
  status = { model: 'nano', num_slots: 4, num_free: 3, auth_required: false }

  async start() {
    this.server = createServer((request, response) => {
      this.handle(request, response).catch((error) => response.writeHead(500).end(String(error)))
    })
    await new Promise((ready) => this.server.listen(0, '127.0.0.1', ready))
    return `http://127.0.0.1:${this.server.address().port}/`
  }

  stop() {
    this.server.closeAllConnections()
    this.server.close()
  }

  async handle(request, response) {
    const path = new URL(request.url, 'http://localhost').pathname
    if (path === '/api/status') return json(response, 200, this.status)
    if (path === '/api/offer') return this.handleOffer(request, response)
    if (path.startsWith('/api/sessions/')) return this.handleSession(request, response, path)
    if (path === '/peer') return response.writeHead(200, { 'Content-Type': TYPES['.html'] }).end('<script src="/peer.js"></script>')
    if (path === '/peer.js') return send(response, PEER)
    send(response, join(ROOT, normalize(path === '/' ? 'index.html' : path)))
  }

  handleSession(request, response, path) {
    this.requests.push({ method: request.method, headers: request.headers, path })
    if (path.endsWith('/report')) return response.writeHead(200, { 'Content-Type': TYPES['.html'] }).end(this.report)
    const reply = this.onSession(path.split('/').at(-1))
    json(response, reply.status, reply.json)
  }

  async handleOffer(request, response) {
    let text = ''
    for await (const part of request) text += part
    const body = JSON.parse(text)
    this.requests.push({ method: request.method, headers: request.headers, body })
    if (request.method === 'PATCH') {
      await this.onPatch(body)
      return json(response, 200, { status: 'success' })
    }
    const reply = await this.onOffer(body)
    json(response, reply.status, reply.json)
  }
}

function send(response, file) {
  if (!existsSync(file)) return response.writeHead(404).end()
  response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', ...HEADERS })
  createReadStream(file).pipe(response)
}

function json(response, status, body) {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}
