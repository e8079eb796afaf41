import type { Listen } from './transport.ts'
import { listenUws, loadUws } from './uws.ts'
import { listenWs } from './ws.ts'

/** `auto`: uWebSockets.js where it loads, `ws` elsewhere. */
export type EngineChoice = 'auto' | 'uws' | 'ws'

/** Rejects where `uws` is asked for by name and does not load. */
export async function chooseEngine(choice: EngineChoice): Promise<Listen> {
  if (choice === 'ws') return listenWs
  try {
    await loadUws()
    return listenUws
  } catch (cause) {
    if (choice === 'auto') return listenWs
    throw new Error(
      'uWebSockets.js does not load here: it is not installed, or has no build for this system and this version of ' +
        'Node. Install it, or take the other engine with ENGINE=ws (--engine ws); ENGINE=auto does so by itself.',
      { cause },
    )
  }
}
