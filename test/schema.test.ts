import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { describeSchema } from './describe-schema.ts'
import { testDatabase } from './postgres.ts'

/** Reviewed like code. After a new migration: UPDATE_SCHEMA=1 npm test -- test/schema.test.ts */
const golden = fileURLToPath(new URL('schema.sql', import.meta.url))

t.test('the migrations make the schema of test/schema.sql', async (t) => {
  const { pool } = await testDatabase(t)
  const schema = await describeSchema(pool)
  if (process.env.UPDATE_SCHEMA !== undefined) writeFileSync(golden, schema)
  t.equal(schema, readFileSync(golden, 'utf8'), 'see the head of this file for how to write it anew')
})
