import t from 'tap'
import { chooseEngine } from '../../src/transport/engine.ts'
import { listenUws } from '../../src/transport/uws.ts'
import { listenWs } from '../../src/transport/ws.ts'

t.test('the engine that is asked for, and uWebSockets.js by itself', async (t) => {
  t.equal(await chooseEngine('ws'), listenWs)
  t.equal(await chooseEngine('uws'), listenUws)
  t.equal(await chooseEngine('auto'), listenUws)
})

t.test('where uWebSockets.js does not load', async (t) => {
  const loadUws = () => Promise.reject(new Error('no build for this system'))
  const { chooseEngine } = await t.mockImport<typeof import('../../src/transport/engine.ts')>(
    '../../src/transport/engine.ts',
    { '../../src/transport/uws.ts': { loadUws, listenUws }, '../../src/transport/ws.ts': { listenWs } },
  )
  t.equal(await chooseEngine('auto'), listenWs)
  await t.rejects(chooseEngine('uws'), {
    message: /ENGINE=ws/,
    cause: { message: 'no build for this system' },
  })
})
