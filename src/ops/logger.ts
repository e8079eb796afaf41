import { type Logger as PinoLogger, pino } from 'pino'

export type Logger = PinoLogger
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent'

/** Where lines go; each ends with a newline. */
export interface LogDestination {
  write(line: string): unknown
}

/**
 * Structured logs, one JSON object a line, on standard error: standard output belongs to what a command prints.
 * Tokens and passwords are taken out of the finished line, so that no caller has to remember it.
 */
export function createLogger(level: LogLevel, destination: LogDestination = standardError()): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, { write: (line) => void destination.write(withoutSecrets(line)) })
}

// Synchronous, so that the line that says why a process died is not lost with it. Nothing is logged per event.
function standardError(): LogDestination {
  return pino.destination({ dest: 2, sync: true })
}

const JWT = /eyJ[\w-]{4,}\.[\w-]+(\.[\w-]*)*/g
const URL_PASSWORD = /(\b[a-z][a-z+.-]*:\/\/[^\s:@/"]*):[^\s@"]+@/g
// Also inside a JSON string within the line, where quotes are escaped.
const SECRET_FIELD =
  /(\\?"(?:token|jwtSecret|secret|password|authorization|cookie)\\?":\s*\\?")(?:\\.|[^"\\])*/gi

/** The line with `[secret]` in place of tokens, the passwords of URLs, and the values of fields named like secrets. */
export function withoutSecrets(line: string): string {
  return line
    .replace(JWT, '[secret]')
    .replace(URL_PASSWORD, '$1:[secret]@')
    .replace(SECRET_FIELD, '$1[secret]')
}
