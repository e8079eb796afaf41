import fc from 'fast-check'
import t from 'tap'
import { splitArray } from '../../src/http/split-array.ts'

const bytes = (text: string) => Buffer.from(text)
const split = (text: string, max = 1000) =>
  splitArray(bytes(text), max)?.map((element) => Buffer.from(element).toString().trim())

t.test('what is no array is left alone', async (t) => {
  for (const text of ['', '  ', '{}', ' {"a":[1]}', '1', '"[1]"', 'null'])
    t.equal(split(text), undefined, text)
})

t.test('elements come as they are written', async (t) => {
  t.strictSame(split('[]'), [])
  t.strictSame(split(' [ ] '), [])
  t.strictSame(split('[1, {"a": [2, 3]}, "x,]\\"[", []]'), ['1', '{"a": [2, 3]}', '"x,]\\"["', '[]'])
})

t.test('an array of any JSON values comes apart into those values', async () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.boolean(), (values, spaced) => {
      const text = spaced ? JSON.stringify(values, undefined, '\t ') : JSON.stringify(values)
      const parts = split(text)?.map((part) => JSON.parse(part))
      return JSON.stringify(parts) === JSON.stringify(values)
    }),
  )
})

t.test('an array that is not closed, or followed by something, is refused', async (t) => {
  for (const text of ['[', '[1', '[1,', '[{}', '["', '["\\', '[1] 2', '[1]]', '[1}', '[{}, {}}']) {
    t.throws(() => split(text), { code: 'BAD_FRAME' }, text)
  }
})

t.test('empty places are elements, so that the decoder refuses them', async (t) => {
  t.strictSame(split('[1,]'), ['1', ''])
  t.strictSame(split('[,]'), ['', ''])
})

t.test('more elements than allowed are refused before they are all collected', async (t) => {
  t.equal(split('[1,2]', 2)?.length, 2)
  t.throws(() => split('[1,2,3]', 2), { code: 'TOO_LARGE', details: { limit: 'events', max: 2 } })
})
