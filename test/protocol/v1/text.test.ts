import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import * as node from '../../../protocol/v1/text.ts'

// A second instance, which finds no Buffer when it is loaded, as in a browser.
const { Buffer } = globalThis
Reflect.deleteProperty(globalThis, 'Buffer')
const browser = (await import(`../../../protocol/v1/text.ts?${'browser'}`)) as typeof node
globalThis.Buffer = Buffer

const text = fc.string({ unit: 'binary', maxLength: 200 })

t.test('a browser reads what Node reads, and refuses what Node refuses', async (t) => {
  t.not(browser.decodeUtf8, node.decodeUtf8)
  const outcome = (decode: typeof node.decodeUtf8, bytes: Uint8Array) => {
    try {
      return decode(bytes, 1, bytes.length - 1)
    } catch (error) {
      return error
    }
  }
  const nearly = fc.tuple(text, fc.nat(), fc.nat(255)).map(([text, at, byte]) => {
    const bytes = new TextEncoder().encode(` ${text} `)
    bytes[1 + (at % (bytes.length - 2 || 1))] = byte
    return bytes
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ minLength: 2 }), nearly), (bytes) => {
      const [inBrowser, inNode] = [outcome(browser.decodeUtf8, bytes), outcome(node.decodeUtf8, bytes)]
      return typeof inNode === 'string'
        ? inBrowser === inNode
        : (inBrowser as { code: string }).code === 'BAD_FRAME'
    }),
    { numRuns: 2000 },
  )
})

t.test('a browser writes what Node writes', async () => {
  fc.assert(
    fc.property(text, (text) => {
      const length = node.utf8Length(text)
      const [one, other] = [new Uint8Array(length + 4), new Uint8Array(length + 4)]
      node.writeUtf8(one, text, 2, length)
      browser.writeUtf8(other, text, 2, length)
      return browser.utf8Length(text) === length && Buffer.from(one).equals(other)
    }),
  )
})

t.test('well-formed is what the language calls so', async (t) => {
  for (const [text, well] of [
    ['', true],
    ['a😀é', true],
    ['\ud83d', false],
    ['a\ude00b', false],
    ['\ude00\ud83d', false],
    ['😀\ud83d', false],
  ] as const) {
    t.equal(node.isWellFormed(text), well)
    t.equal(node.isWellFormed(node.toWellFormed(text)), true)
  }
  t.equal(node.toWellFormed('a\ud83db😀'), 'a\ufffdb😀')
})

t.test('what a browser client needs imports neither Node nor the schema library', async (t) => {
  const folder = new URL('../../../protocol/v1/', import.meta.url)
  const withSchemas = ['client-frames.ts', 'server-frames.ts', 'fields.ts', 'schema.ts', 'validate.ts']
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    if (withSchemas.includes(file)) continue
    const source = readFileSync(new URL(file, folder), 'utf8')
    for (const [, from] of source.matchAll(/^(?:import|export) (?!type\b)[^']*from '([^']+)'/gm)) {
      t.ok(from!.startsWith('./') && !withSchemas.includes(from!.slice(2)), `${file} imports ${from}`)
    }
  }
})
