/** What is published: a chat message of ordinary length. */
export const PAYLOAD = JSON.stringify({ text: 'Buenos días, ¿me confirman la entrega de hoy por la tarde?' })

let tags = 0

/** Makes the messageIds of one turn differ from those of every other turn. */
export const newTag = (): string => `b${process.pid}-${tags++}`
