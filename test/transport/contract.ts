import { closing } from './contract-closing.ts'
import { handshake } from './contract-handshake.ts'
import { http } from './contract-http.ts'
import { listening } from './contract-listening.ts'
import { messages } from './contract-messages.ts'
import { sending } from './contract-sending.ts'
import { slowReaders } from './contract-slow-readers.ts'
import type { Engine } from './fixture.ts'

/** What `src/transport/transport.ts` promises; every engine runs it. */
export function contract(engine: Engine): void {
  handshake(engine)
  messages(engine)
  sending(engine)
  slowReaders(engine)
  closing(engine)
  http(engine)
  listening(engine)
}
