// Start of the page: hands the real browser to the application.
import './style.css'
import { Gateway, tokenFrom } from './gateway'
import { App } from './ui/app'
import type { Browser } from './voice-client'

const devices = navigator.mediaDevices as MediaDevices | undefined

const browser: Browser = {
  isSecureContext,
  openMicrophone: devices?.getUserMedia ? (wish) => devices.getUserMedia(wish) : null,
  createPeer:
    'RTCPeerConnection' in window ? (iceServers) => new RTCPeerConnection({ iceServers }) : null,
}

const token = tokenFrom(location.hash)
new App(browser, new Gateway(fetch.bind(window), token), token !== null)
