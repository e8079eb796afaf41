import type { StoredEvent } from '../../protocol/v1/frames.ts'

/** One line of JSON, for programs. */
export function eventLine({ id, channel, seq, type, payload, from, messageId, ts }: StoredEvent): string {
  return JSON.stringify({ id, channel, seq, type, payload, from, messageId, ts })
}

/** One line for a person: time, id and seq, sender, type, payload. */
export function prettyEvent({ id, seq, type, payload, from, ts }: StoredEvent, colour: boolean): string {
  const [dim, bold, cyan] = colour ? [paint(2, 22), paint(1, 22), paint(36, 39)] : [plain, plain, plain]
  const place = `${timeOf(ts)} #${id}/${seq}`
  return `${dim(place)} ${bold(visible(from))} ${cyan(visible(type))} ${visible(JSON.stringify(payload))}`
}

const plain = (text: string) => text
const paint = (on: number, off: number) => (text: string) => `\x1b[${on}m${text}\x1b[${off}m`

// Control characters would command the terminal, and bidirectional ones turn the line around.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const INVISIBLE = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g

/** What others wrote, made safe to look at. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Local time. */
function timeOf(ts: number): string {
  const date = new Date(ts)
  const two = (value: number) => String(value).padStart(2, '0')
  const ms = String(date.getMilliseconds()).padStart(3, '0')
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${ms}`
}
