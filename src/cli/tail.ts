import { Command } from 'commander'
import { channelName, eventId, eventType } from './arguments.ts'
import { addCredentials, credentialsOf } from './credentials.ts'
import { follow } from './follow.ts'
import { eventLine, prettyEvent } from './show-event.ts'
import type { Terminal } from './terminal.ts'

const EXAMPLES = `
It comes back by itself when the connection ends and shows what it missed, until the server says that it may not.

Examples:
  bitacora tail room:lobby
  bitacora tail shop:s_1/orders --after 0           from the first event on
  bitacora tail room:lobby --type message:send --json | jq .payload
  bitacora tail app:main --url https://chat.example.com --token @token`

export function tailCommand(terminal: Terminal): Command {
  const command = new Command('tail')
    .description('A live view of one channel, until Ctrl-C.')
    .argument('<channel>', 'such as room:lobby', channelName)
    .option('--after <id>', 'begin behind this event id (default: with what comes now)', eventId)
    .option('--type <type>', 'show these types only; repeatable', collectType)
    .option('--json', 'one JSON object per line')
    .addHelpText('after', EXAMPLES)
    .action(async (channel: string) => {
      const { after, type: types, json } = command.opts<{ after?: number; type?: string[]; json?: true }>()
      const credentials = await credentialsOf(command, terminal)
      const stop = terminal.stopSignal()
      await follow({ ...credentials, channel, after }, stop, {
        event(event) {
          if (types !== undefined && !types.includes(event.type)) return
          terminal.out(json ? eventLine(event) : prettyEvent(event, terminal.colour))
        },
        notice: (text) => terminal.err(`bitacora: ${text}`),
      })
    })
  return addCredentials(command)
}

function collectType(text: string, types: readonly string[] = []): readonly string[] {
  return [...types, eventType(text)]
}
