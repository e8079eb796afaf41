import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Command } from 'commander'
import { channelName, eventType, messageIdText } from './arguments.ts'
import { addCredentials, type Credentials, credentialsOf } from './credentials.ts'
import { explain, Failure, UsageError } from './failure.ts'
import type { Terminal } from './terminal.ts'

/** The retries wait 1, 2, 4 … seconds, which is half a minute in all. */
const ATTEMPTS = 6
const FIRST_WAIT_MS = 1000
const ANSWER_MS = 15_000

const EXAMPLES = `
It is tried again, under the same message id, while the server is away or busy: so it is in the log once.

Examples:
  bitacora publish room:lobby message:send '{"text":"hi"}' --as ana
  echo '{"orderId":7}' | bitacora publish shop:s_1 order_created - --message-id order-7
  bitacora publish app:main notification '{"title":"Maintenance at 22:00"}' --url https://chat.example.com --token @svc`

export function publishCommand(terminal: Terminal): Command {
  const command = new Command('publish')
    .description('Publish one event; its ack is printed as JSON once it is stored.')
    .argument('<channel>', 'such as room:lobby', channelName)
    .argument('<type>', 'such as message:send', eventType)
    .argument('<payload>', 'JSON, or - to read it from standard input')
    .option('--message-id <id>', 'the idempotency key (default: a random one)', messageIdText)
    .addHelpText('after', EXAMPLES)
    .action(async (channel: string, type: string, payload: string) => {
      const { messageId = randomUUID() } = command.opts<{ messageId?: string }>()
      const text = checkedJson(payload === '-' ? await terminal.readInput() : payload)
      const credentials = await credentialsOf(command, terminal)
      // Spliced as it is: what is published is what was typed, to the last digit.
      const body = `${JSON.stringify({ channel, type, messageId }).slice(0, -1)},"payload":${text}}`
      const ack = await publish(credentials, body, terminal.err)
      terminal.out(JSON.stringify(ack))
    })
  return addCredentials(command)
}

function checkedJson(text: string): string {
  try {
    JSON.parse(text)
  } catch (cause) {
    const message = `PAYLOAD is not JSON: ${(cause as Error).message}; text is JSON in quotes, like '"hi"'`
    throw new UsageError(message, { cause })
  }
  return text
}

async function publish(
  credentials: Credentials,
  body: string,
  tell: (text: string) => void,
): Promise<unknown> {
  for (let attempt = 1; ; attempt++) {
    const answer = await post(credentials, body)
    if ('ack' in answer) return answer.ack
    if (!answer.retry || attempt === ATTEMPTS) throw new Failure(answer.problem)
    const waitMs = Math.max(FIRST_WAIT_MS * 2 ** (attempt - 1), answer.afterMs)
    tell(`bitacora: ${answer.problem}; again in ${waitMs / 1000} s`)
    await delay(waitMs)
  }
}

type Answer =
  | { readonly ack: unknown }
  | { readonly problem: string; readonly retry: boolean; readonly afterMs: number }

async function post({ endpoint, token }: Credentials, body: string): Promise<Answer> {
  const bearer = await token()
  let response: Response
  let text: string
  try {
    response = await fetch(`${endpoint.http}/v1/publish`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body,
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    text = await response.text()
  } catch (error) {
    // Whether it arrived is not known; the same message id again cannot store it twice.
    return { problem: `no answer from ${endpoint.http}: ${explain(error)}`, retry: true, afterMs: 0 }
  }
  const { ok, error } = parsed(text)
  if (response.status === 200 && ok !== undefined) return { ack: ok }
  if (error === undefined) {
    const problem = `${endpoint.http} answered with status ${response.status}, not as a Bitácora server does`
    return { problem, retry: response.status >= 500, afterMs: 0 }
  }
  const afterMs = Number(response.headers.get('retry-after') ?? 0) * 1000 || 0
  return { problem: `${error.code}: ${error.message}`, retry: error.retry === true, afterMs }
}

interface Body {
  readonly ok?: unknown
  readonly error?: { readonly code: string; readonly message: string; readonly retry?: boolean }
}

function parsed(text: string): Body {
  try {
    return (JSON.parse(text) as Body | null) ?? {}
  } catch {
    return {} // a proxy's page, as the caller says
  }
}
