/** SPEC.md, taken apart so that tests can compare it with the code. */

import { readFileSync } from 'node:fs'

export interface Clause {
  readonly title: string
  readonly body: string
}

/** By number, such as `5.7`. */
export function readClauses(): Map<string, Clause> {
  const text = readFileSync(new URL('../../protocol/SPEC.md', import.meta.url), 'utf8')
  const clauses = new Map<string, Clause>()
  for (const part of text.split(/^(?=#{2,3} )/m)) {
    const heading = /^### §(\d+\.\d+) (.*)\n/.exec(part)
    if (heading !== null)
      clauses.set(heading[1]!, { title: heading[2]!, body: part.slice(heading[0].length) })
  }
  return clauses
}

/** The cells of the first table in `text`, without its head. */
export function rowsOf(text: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex((line) => line.startsWith('|---'))
  if (start === -1) return []
  const rows = []
  for (const line of lines.slice(start + 1)) {
    if (!line.startsWith('|')) break
    rows.push(
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  }
  return rows
}

/** What stands between backticks. */
export function namesIn(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}
