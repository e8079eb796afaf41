/** Why it could not be listened on `host` and `port`, and what to do about it. */
export class ListenError extends Error {
  override readonly name = 'ListenError'
  /** The operating system's code, such as `EADDRINUSE`. */
  readonly code: string | undefined

  constructor(host: string, port: number, cause: unknown) {
    const code = (cause as NodeJS.ErrnoException | undefined)?.code
    super(`Cannot listen on ${host.includes(':') ? `[${host}]` : host}:${port}: ${remedyOf(code)}`, { cause })
    this.code = code
  }
}

function remedyOf(code: string | undefined): string {
  switch (code) {
    case 'EADDRINUSE':
      return 'the port is taken. Stop the program that has it, or choose another one with PORT (--port).'
    case 'EACCES':
      return 'this user may not use the port. Choose one above 1023 with PORT (--port).'
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return 'this machine does not have that address. Correct HOST (--host).'
    default:
      return `${code ?? 'the engine does not say why'}. Choose another HOST or PORT (--host, --port).`
  }
}
