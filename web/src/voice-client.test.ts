import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Gateway, GatewayError } from './gateway'
import type { Fault } from './faults'
import { FakePeer, FakeStream } from './testing'
import { CONNECT_TIMEOUT_MS, LOST_AFTER_MS, microphoneConstraints, VoiceClient } from './voice-client'

const CHOICE = { deviceId: null, hasEchoCancellation: true }
const PERSONA = { role: 'You sell bread.', voice: '' }

function setUp() {
  const peers: FakePeer[] = []
  const streams: FakeStream[] = []
  const openMicrophone = vi.fn(async (_constraints: MediaStreamConstraints) => {
    streams.push(new FakeStream())
    return streams.at(-1) as unknown as MediaStream
  })
  const createPeer = (_iceServers: RTCIceServer[]) => {
    peers.push(new FakePeer())
    return peers.at(-1) as unknown as RTCPeerConnection
  }
  const gateway = new Gateway(vi.fn())
  const status = { model: 'nano', numSlots: 1, numFree: 1, authRequired: false, isPromptable: false, voices: [], iceServers: [] }
  vi.spyOn(gateway, 'status').mockResolvedValue(status)
  const offer = vi.spyOn(gateway, 'offer').mockResolvedValue({ sdp: 'answer-sdp', pcId: 'pc-1', sessionId: 'ab' })
  const addCandidates = vi.spyOn(gateway, 'addCandidates').mockResolvedValue()
  const phases: string[] = []
  const notices: Fault[] = []
  const events = {
    onState: ({ phase }: { phase: string }) => void phases.push(phase),
    onMessage: vi.fn(),
    onStats: vi.fn(),
    onMicrophone: vi.fn(),
    onAgentStream: vi.fn(),
    onNotice: (fault: Fault) => void notices.push(fault),
  }
  const browser = { isSecureContext: true, openMicrophone, createPeer: vi.fn(createPeer) }
  const client = new VoiceClient(browser, gateway, events)
  return { client, gateway, browser, openMicrophone, peers, streams, offer, addCandidates, phases, notices, events }
}

type World = ReturnType<typeof setUp>

async function live(world: World): Promise<FakePeer> {
  await world.client.talk(CHOICE, PERSONA)
  const peer = world.peers.at(-1)!
  peer.become('connected')
  peer.channel.open()
  peer.channel.receive('{"label":"rtvi-ai","type":"bot-ready","id":"m1","data":{}}')
  return peer
}

const faultKind = ({ client }: World) => client.state.fault?.kind

let world: World

beforeEach(() => {
  vi.useFakeTimers()
  world = setUp()
})

afterEach(() => {
  vi.useRealTimers()
})

test('a conversation passes through its phases', async () => {
  await live(world)
  expect(world.phases).toEqual(['microphone', 'connecting', 'waiting', 'live'])
  expect(world.peers[0]!.remoteSdp).toBe('answer-sdp')
})

test('the audio line is offered before the data channel', async () => {
  await live(world)
  expect(world.peers[0]!.calls).toEqual(['transceiver', 'channel'])
})

test('the offer carries role and voice, as far as they were chosen', async () => {
  await live(world)
  expect(world.offer.mock.calls[0]![0]).toMatchObject({ type: 'offer', role: 'You sell bread.' })
  expect(world.offer.mock.calls[0]![0]).not.toHaveProperty('voice')
})

test('client-ready comes first, then a ping each second', async () => {
  const { channel } = await live(world)
  await vi.advanceTimersByTimeAsync(3000)
  expect(JSON.parse(channel.sent[0]!).type).toBe('client-ready')
  expect(channel.sent.filter((text) => text.startsWith('ping: '))).toHaveLength(4)
})

test('playout is reported five times a second once something was played', async () => {
  const peer = await live(world)
  await vi.advanceTimersByTimeAsync(1000)
  expect(peer.channel.sent.some((text) => text.includes('playout'))).toBe(false)
  peer.rtpTimestamp = 48_000
  await vi.advanceTimersByTimeAsync(200)
  peer.rtpTimestamp += 9_600
  await vi.advanceTimersByTimeAsync(200)
  const reports = peer.channel.sent.filter((text) => text.includes('playout'))
  expect(reports.map((text) => JSON.parse(text).data.d.played_ms)).toEqual([0, 200])
})

test('candidates wait for the id of the connection and go together', async () => {
  let answer!: (value: { sdp: string; pcId: string; sessionId: string | null }) => void
  world.offer.mockReturnValue(new Promise((resolve) => (answer = resolve)))
  const talking = world.client.talk(CHOICE, PERSONA)
  await vi.advanceTimersByTimeAsync(0)
  world.peers[0]!.findCandidate('candidate:1')
  world.peers[0]!.findCandidate('candidate:2')
  expect(world.addCandidates).not.toHaveBeenCalled()
  answer({ sdp: 'answer-sdp', pcId: 'pc-1', sessionId: null })
  await talking
  expect(world.addCandidates.mock.calls.map(([id, all]) => [id, all.length])).toEqual([['pc-1', 2]])
})

test('a conversation that is over can still be named, until the next begins', async () => {
  await live(world)
  world.client.hangUp()
  expect(world.client.sessionId).toBe('ab')
  world.offer.mockResolvedValue({ sdp: 'answer-sdp', pcId: 'pc-2', sessionId: null })
  const talking = world.client.talk(CHOICE, PERSONA)
  expect(world.client.sessionId).toBeNull()
  await talking
  expect(world.client.sessionId).toBeNull()
})

test('the connection asks the servers that the gateway names', async () => {
  const iceServers = [{ urls: 'turn:b', username: 'u', credential: 'p' }]
  const status = { model: 'nano', numSlots: 1, numFree: 1, authRequired: true, isPromptable: false, voices: [], iceServers }
  vi.spyOn(world.gateway, 'status').mockResolvedValue(status)
  await live(world)
  expect(world.browser.createPeer).toHaveBeenCalledWith(iceServers)
})

test('a gateway that tells no servers is asked all the same', async () => {
  vi.spyOn(world.gateway, 'status').mockRejectedValue(new GatewayError({ kind: 'unreachable' }))
  await live(world)
  expect(world.browser.createPeer).toHaveBeenCalledWith([])
})

test('a denied microphone is a fault and makes no offer', async () => {
  world.openMicrophone.mockRejectedValue(new DOMException('', 'NotAllowedError'))
  await world.client.talk(CHOICE, PERSONA)
  expect(faultKind(world)).toBe('not-allowed')
  expect(world.peers).toEqual([])
})

test.each([
  [{ isSecureContext: false }, 'insecure-context'],
  [{ createPeer: null }, 'no-webrtc'],
  [{ openMicrophone: null }, 'no-webrtc'],
])('%j is told before the microphone is asked for', async (lacking, kind) => {
  Object.assign(world.browser, lacking)
  await world.client.talk(CHOICE, PERSONA)
  expect(faultKind(world)).toBe(kind)
  expect(world.streams).toEqual([])
})

test('a refusal of the gateway is its fault, and the microphone is given back', async () => {
  world.offer.mockRejectedValue(new GatewayError({ kind: 'at-capacity', retryAfterS: 5 }))
  await world.client.talk(CHOICE, PERSONA)
  expect(world.client.state.fault).toEqual({ kind: 'at-capacity', retryAfterS: 5 })
  expect(world.streams[0]!.track.readyState).toBe('ended')
})

test('a path that never opens is told as such', async () => {
  await world.client.talk(CHOICE, PERSONA)
  await vi.advanceTimersByTimeAsync(CONNECT_TIMEOUT_MS)
  expect(faultKind(world)).toBe('no-media')
})

test('a line that drops and returns stays the same conversation', async () => {
  const peer = await live(world)
  peer.become('disconnected')
  await vi.advanceTimersByTimeAsync(LOST_AFTER_MS - 1)
  peer.become('connected')
  await vi.advanceTimersByTimeAsync(LOST_AFTER_MS)
  expect(world.client.state.phase).toBe('live')
})

test('a line that stays away is lost', async () => {
  const peer = await live(world)
  peer.become('disconnected')
  await vi.advanceTimersByTimeAsync(LOST_AFTER_MS)
  expect(faultKind(world)).toBe('connection-lost')
})

test.each([
  ['failed', 'connection-lost'],
  ['closed', 'ended'],
])('a live connection that becomes %s is %s', async (state, kind) => {
  const peer = await live(world)
  peer.become(state)
  expect(faultKind(world)).toBe(kind)
})

test('a goodbye of the server keeps its reason', async () => {
  const { channel } = await live(world)
  channel.receive('{"label":"rtvi-ai","type":"server-message","data":{"t":"ended","reason":"why not"}}')
  expect(world.client.state.fault).toEqual({ kind: 'ended', detail: 'why not' })
})

test('hanging up gives back microphone, connection and timers', async () => {
  const peer = await live(world)
  world.client.hangUp()
  expect(world.client.state.phase).toBe('idle')
  expect(world.streams[0]!.track.readyState).toBe('ended')
  expect(peer.connectionState).toBe('closed')
  expect(JSON.parse(peer.channel.sent.at(-1)!).type).toBe('disconnect-bot')
  expect(vi.getTimerCount()).toBe(0)
})

test('hanging up while the browser still asks gives back what it then grants', async () => {
  const talking = world.client.talk(CHOICE, PERSONA)
  world.client.hangUp()
  await talking
  expect(world.streams[0]!.track.readyState).toBe('ended')
  expect(world.peers).toEqual([])
})

test('an answer that comes after hanging up is not used', async () => {
  let answer!: (value: { sdp: string; pcId: string; sessionId: string | null }) => void
  world.offer.mockReturnValue(new Promise((resolve) => (answer = resolve)))
  const talking = world.client.talk(CHOICE, PERSONA)
  await vi.advanceTimersByTimeAsync(0)
  world.client.hangUp()
  answer({ sdp: 'answer-sdp', pcId: 'pc-1', sessionId: null })
  await talking
  expect(world.peers[0]!.remoteSdp).toBeNull()
  expect(world.client.state.phase).toBe('idle')
})

test('muting disables the track, and the next microphone stays muted', async () => {
  await live(world)
  world.client.setMuted(true)
  expect(world.streams[0]!.track).toMatchObject({ enabled: false, readyState: 'live' })
  await world.client.changeMicrophone({ ...CHOICE, deviceId: 'b' })
  expect(world.streams[1]!.track.enabled).toBe(false)
})

test('changing the microphone replaces the track without a new offer', async () => {
  const peer = await live(world)
  await world.client.changeMicrophone({ ...CHOICE, deviceId: 'b' })
  expect(peer.sender.replaceTrack).toHaveBeenCalledWith(world.streams[1]!.track)
  expect(world.streams[0]!.track.readyState).toBe('ended')
  expect(world.offer).toHaveBeenCalledTimes(1)
})

test('a microphone that cannot be changed to leaves the conversation as it was', async () => {
  await live(world)
  world.openMicrophone.mockRejectedValue(new DOMException('', 'NotReadableError'))
  await world.client.changeMicrophone({ ...CHOICE, deviceId: 'b' })
  expect(world.notices).toEqual([{ kind: 'not-readable' }])
  expect(world.client.state.phase).toBe('live')
})

test('an unplugged microphone gives way to the default one', async () => {
  await live(world)
  world.streams[0]!.track.unplug()
  await vi.advanceTimersByTimeAsync(0)
  expect(world.streams).toHaveLength(2)
  expect(world.client.state.phase).toBe('live')
})

test('the last microphone unplugged ends the conversation with its fault', async () => {
  await live(world)
  world.openMicrophone.mockRejectedValue(new DOMException('', 'NotFoundError'))
  world.streams[0]!.track.unplug()
  await vi.advanceTimersByTimeAsync(0)
  expect(faultKind(world)).toBe('not-found')
})

test('words reach the page, rubbish does not', async () => {
  const { channel } = await live(world)
  channel.receive('{')
  channel.receive(new ArrayBuffer(3))
  channel.receive('{"label":"rtvi-ai","type":"server-message","data":{"t":"word","side":"agent","text":"hi","time_ms":5}}')
  expect(world.events.onMessage.mock.calls).toEqual([[{ kind: 'word', side: 'agent', text: 'hi', timeMs: 5 }]])
})

test('the microphone is asked for with echo cancellation and nothing else', () => {
  expect(microphoneConstraints(CHOICE).audio).toEqual({
    echoCancellation: true,
    noiseSuppression: false,
    autoGainControl: false,
    channelCount: 1,
  })
  expect(microphoneConstraints({ deviceId: 'b', hasEchoCancellation: false }).audio).toMatchObject({
    deviceId: { exact: 'b' },
    echoCancellation: false,
  })
})
