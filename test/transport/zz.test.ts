import { listenUws } from '../../src/transport/uws.ts'
import { slowReaders } from './contract-slow-readers.ts'
slowReaders({ name: 'uws', listen: listenUws, handshakeLimitMs: 16_000 })
