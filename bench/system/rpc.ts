import type { ChildProcess } from 'node:child_process'

/** What one process asks of another over IPC: names, each with one request and one reply. */
type Commands = Record<string, (request: any) => unknown>

export type Handlers<C> = {
  [Name in keyof C]: C[Name] extends (...request: infer Request) => infer Reply
    ? (...request: Request) => Reply | Promise<Reply>
    : never
}

export type Remote<C> = {
  [Name in keyof C]: C[Name] extends (...request: infer Request) => infer Reply
    ? (...request: Request) => Promise<Reply>
    : never
}

interface Call {
  readonly call: number
  readonly name: string
  readonly request: unknown
}

interface Reply {
  readonly call: number
  readonly value?: unknown
  readonly failure?: string
}

/** Answers the parent process, and ends when it has gone. */
export function serve<C>(handlers: Handlers<C>): void {
  process.on('message', async ({ call, name, request }: Call) => {
    try {
      process.send!({ call, value: await (handlers as Commands)[name]!(request) })
    } catch (error) {
      process.send!({ call, failure: (error as Error).message })
    }
  })
  process.on('disconnect', () => process.exit())
}

/** The parent's end: every property is a function that asks the child. */
export function remote<C>(child: ChildProcess): Remote<C> {
  const pending = new Map<number, { resolve(value: unknown): void; reject(reason: Error): void }>()
  let calls = 0
  child.on('message', ({ call, value, failure }: Reply) => {
    const { resolve, reject } = pending.get(call)!
    pending.delete(call)
    if (failure === undefined) resolve(value)
    else reject(new Error(failure))
  })
  child.once('exit', (code, signal) => {
    for (const { reject } of pending.values())
      reject(new Error(`the process has ended with ${signal ?? code}`))
  })
  return new Proxy({} as Remote<C>, {
    get: (_, name: string) => (request: unknown) =>
      new Promise((resolve, reject) => {
        const call = calls++
        pending.set(call, { resolve, reject })
        child.send({ call, name, request })
      }),
  })
}
