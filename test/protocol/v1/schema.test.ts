import { readFileSync } from 'node:fs'
import t from 'tap'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { clientSchemas } from '../../../protocol/v1/client-frames.ts'
import { publishedSchema, schemaText } from '../../../protocol/v1/schema.ts'
import { okSchemas, serverSchemas } from '../../../protocol/v1/server-frames.ts'
import { type FrameVector, readVectors } from '../vectors.ts'

t.test('schema.json is what the code says; npx tsx protocol/v1/schema.ts writes it', async (t) => {
  const file = new URL('../../../protocol/v1/schema.json', import.meta.url)
  t.equal(readFileSync(file, 'utf8'), schemaText())
})

t.test('every reference in it leads somewhere', async (t) => {
  const { $defs } = publishedSchema() as { $defs: Record<string, unknown> }
  for (const [, name] of schemaText().matchAll(/"\$ref": "#\/\$defs\/([^"]+)"/g))
    t.ok($defs[name!], String(name))
})

t.test('every frame of the vectors fits the schema of its op', async (t) => {
  const oks = Object.values(okSchemas).map((schema) => Compile(schema as TSchema))
  for (const { name, from, frame } of readVectors<FrameVector>('frames').vectors) {
    if (frame.op === ('ok' as string)) {
      t.ok(
        oks.some((ok) => ok.Check(frame)),
        name,
      )
      continue
    }
    const schemas: Readonly<Record<string, unknown>> = from === 'client' ? clientSchemas : serverSchemas
    t.ok(Compile(schemas[frame.op] as TSchema).Check(frame), name)
  }
})
