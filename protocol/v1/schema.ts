/**
 * The frames as JSON Schema (draft 2020-12), for other languages. `npx tsx protocol/v1/schema.ts` writes schema.json;
 * a test fails while the file is stale.
 */

import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { clientSchemas } from './client-frames.ts'
import { okSchemas, StoredEvent, serverSchemas } from './server-frames.ts'

export function publishedSchema(): object {
  const client = definitions('client', clientSchemas)
  const server = definitions('server', { ...serverSchemas, ...okSchemas })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Bitácora wire protocol, version 1',
    description:
      'client.* are the frames that a client sends, server.* those that a server sends. Fields that are not listed are allowed and ignored.',
    $defs: {
      ClientFrame: { anyOf: references(client) },
      ServerFrame: { anyOf: references(server) },
      StoredEvent,
      ...client,
      ...server,
    },
  }
}

function definitions(side: string, schemas: Readonly<Record<string, object>>): Record<string, object> {
  return Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [`${side}.${name}`, schema]))
}

function references(schemas: Readonly<Record<string, object>>): object[] {
  return Object.keys(schemas).map((name) => ({ $ref: `#/$defs/${name}` }))
}

export function schemaText(): string {
  return `${JSON.stringify(publishedSchema(), null, 2)}\n`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('schema.json', import.meta.url), schemaText())
}
