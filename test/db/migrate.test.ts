import t from 'tap'
import { testDatabase } from '../postgres.ts'

t.test('a test has a migrated database of its own', async (t) => {
  const { pool } = await testDatabase(t)
  const { rows } = await pool.query('select number from bitacora.migrations')
  t.strictSame(rows, [{ number: 1 }])
})
