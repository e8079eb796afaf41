import { listenUws } from '../../src/transport/uws.ts'
import { contract } from './contract.ts'

// The engine's own: 10 s, looked at every 4.
contract({ name: 'uws', listen: listenUws, handshakeLimitMs: 16_000 })
