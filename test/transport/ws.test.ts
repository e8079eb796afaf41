import { listenWs } from '../../src/transport/ws.ts'
import { contract } from './contract.ts'

contract({ name: 'ws', listen: listenWs, handshakeLimitMs: 4_000 })
