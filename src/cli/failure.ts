/** The command was called wrongly: exit code 2. The message says what is wrong and what is allowed. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command could not do it: exit code 1. The message is for a person. */
export class Failure extends Error {
  override readonly name = 'Failure'
}

/** An error and what caused it, each once. */
export function explain(error: unknown): string {
  const messages: string[] = []
  for (
    let at: unknown = error;
    at !== undefined && messages.length < 5;
    at = (at as { cause?: unknown })?.cause
  ) {
    const message = messageOf(at)
    if (message !== '' && !messages.some((told) => told.includes(message))) messages.push(message)
  }
  return messages.join(': ')
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  // An AggregateError of Node's happy eyeballs has a code and no message.
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(', ')
  return (error as NodeJS.ErrnoException).code ?? error.name
}
