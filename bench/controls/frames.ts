/** As much of the protocol as a control must speak for the generator that measures the real server. */

export interface Hello {
  readonly op: 'hello'
  readonly channels?: readonly string[]
  readonly lastEventId?: number
}

/** The one channel that the raw engines publish to. */
export const FAN_CHANNEL = 'room:fan'

const HELLO = '{"op":"hello"'

export const isHello = (text: string): boolean => text.startsWith(HELLO)
export const WELCOME = '{"op":"welcome","protocol":1,"epoch":"control","pos":0}'
export const LIVE = '{"op":"live","pos":0}'

/** An ack as long as the server's. */
export const ACK =
  '{"op":"ok","id":1000000000,"channel":"room:bench-0","eventId":1000000,"seq":100000,"ts":1760000000000,' +
  '"messageId":"bench-00-0-1000000000"}'

/** Text of an event frame of exactly `bytes` bytes. */
export function eventFrame(bytes: number): string {
  const empty =
    '{"op":"event","id":1,"channel":"room:bench-0","seq":1,"type":"chat.text","payload":{"text":""}}'
  return empty.replace('""}}', `"${'x'.repeat(Math.max(0, bytes - empty.length))}"}}`)
}
