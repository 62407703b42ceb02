// The gateway's side of a conversation, in a second browser page that only tests open: a real
// RTCPeerConnection whose answers, sounds and words the test writes. `peer` is what the test calls.
const peer = {
  received: [],
  pc: null,
  channel: null,
  seq: 0,

  async answer(sdp) {
    this.pc?.close()
    this.received = []
    this.context ??= new AudioContext()
    this.output = this.context.createMediaStreamDestination()
    // a gateway sends all the time, silence included; without a source Chromium sends nothing
    const silence = new ConstantSourceNode(this.context, { offset: 0 })
    silence.connect(this.output)
    silence.start()
    this.pc = new RTCPeerConnection({ iceServers: [] })
    this.pc.ondatachannel = ({ channel }) => this.adopt(channel)
    await this.pc.setRemoteDescription({ type: 'offer', sdp })
    this.pc.addTrack(this.output.stream.getAudioTracks()[0])
    await this.pc.setLocalDescription(await this.pc.createAnswer())
    if (this.pc.iceGatheringState !== 'complete') {
      await new Promise((done) => this.pc.addEventListener('icegatheringstatechange', () => {
        if (this.pc.iceGatheringState === 'complete') done()
      }))
    }
    return this.pc.localDescription.sdp
  },

  adopt(channel) {
    this.channel = channel
    channel.onmessage = ({ data }) => {
      this.received.push(data)
      if (!data.startsWith('ping') && JSON.parse(data).type === 'client-ready') {
        this.send('bot-ready', { version: '2.2.0' })
      }
    }
  },

  async addCandidates(candidates) {
    for (const { candidate, sdp_mid, sdp_mline_index } of candidates) {
      await this.pc.addIceCandidate({ candidate, sdpMid: sdp_mid, sdpMLineIndex: sdp_mline_index })
    }
  },

  send(type, data) {
    this.seq += 1
    this.channel.send(JSON.stringify({ label: 'rtvi-ai', type, id: `s${this.seq}`, data }))
  },

  say(side, text, startMs, stepMs = 320) {
    text.split(' ').forEach((word, index) =>
      this.send('server-message', { t: 'word', side, text: word, time_ms: startMs + index * stepMs }))
  },

  stats(step_us = 23400, lag_us = 31000) {
    this.send('server-message', { t: 'stats', step_us, lag_us, queued_ms: 40, dropped_frames: 0 })
  },

  axes(axes, floor = 'agent', state = 'speak') {
    this.send('server-message', { t: 'axes', ...axes, floor, state })
  },

  /** Sounds like somebody speaking for so long. */
  speak(seconds) {
    const { context } = this
    const gain = context.createGain()
    gain.gain.value = 0
    const from = context.currentTime
    for (let at = 0; at < seconds; at += 0.02) {
      const syllable = Math.abs(Math.sin(Math.PI * 3.7 * at)) ** 1.4 * (0.6 + 0.4 * Math.sin(5.3 * at))
      gain.gain.linearRampToValueAtTime(0.28 * syllable, from + at)
    }
    gain.gain.linearRampToValueAtTime(0, from + seconds)
    const buzz = new OscillatorNode(context, { type: 'sawtooth', frequency: 205 })
    buzz.connect(gain).connect(this.output)
    buzz.start()
    buzz.stop(from + seconds + 0.1)
  },

  async heardSeconds() {
    const stats = [...(await this.pc.getStats()).values()]
    return stats.find((one) => one.type === 'inbound-rtp')?.totalAudioEnergy ?? 0
  },

  hangUp() {
    this.pc.close()
  },
}
