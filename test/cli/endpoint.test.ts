import t from 'tap'
import { localEndpoint, parseEndpoint } from '../../src/cli/endpoint.ts'

t.test('either URL of a server leads to both', async (t) => {
  for (const url of ['ws://localhost:3000/ws', 'http://localhost:3000', 'http://localhost:3000/']) {
    t.match(parseEndpoint(url), {
      webSocket: 'ws://localhost:3000/ws',
      http: 'http://localhost:3000',
      local: true,
    })
  }
  t.match(parseEndpoint('https://chat.example.com/rt/ws/'), {
    webSocket: 'wss://chat.example.com/rt/ws',
    http: 'https://chat.example.com/rt',
    local: false,
  })
})

t.test('what is no URL of a server is refused', async (t) => {
  for (const url of ['localhost:3000', 'ftp://x', '', 'ws://h/ws?token=x', 'http://u:p@h', 'http://h/#x']) {
    t.throws(() => parseEndpoint(url), /Allowed: a URL like/, url)
  }
})

t.test('a name that only looks local is not', async (t) => {
  for (const url of ['http://127.0.0.1.example.com', 'http://localhost.example.com', 'http://128.0.0.1']) {
    t.equal(parseEndpoint(url).local, false, url)
  }
})

t.test('a server that listens on every address is reached on the loopback', async (t) => {
  t.equal(localEndpoint({ host: '0.0.0.0', port: 80 }).webSocket, 'ws://127.0.0.1/ws')
  t.equal(localEndpoint({ host: '::1', port: 3000 }).webSocket, 'ws://[::1]:3000/ws')
})
