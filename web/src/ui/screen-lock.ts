// Keeps a phone's screen on during a conversation, where the browser can.

export class ScreenLock {
  private lock: WakeLockSentinel | null = null
  private isWanted = false

  hold(): void {
    this.isWanted = true
    void this.request()
  }

  release(): void {
    this.isWanted = false
    void this.lock?.release().catch(() => undefined)
    this.lock = null
  }

  private async request(): Promise<void> {
    if (!('wakeLock' in navigator) || (this.lock && !this.lock.released)) return
    const lock = await navigator.wakeLock.request('screen').catch(() => null)
    this.lock = lock
    if (!this.isWanted) this.release()
  }
}
