// Builds the page into the Python package, from where the gateway serves it. No asset is inlined,
// so that a content policy of `default-src 'self'` holds.
import { defineConfig } from 'vitest/config'

export default defineConfig({
  base: './',
  build: {
    outDir: '../voiceagent/_web',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: ['chrome111', 'firefox115', 'safari16.4'],
  },
  server: { host: '127.0.0.1', proxy: { '/api': 'http://127.0.0.1:8080' } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
