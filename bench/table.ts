import { type Line, meets, type Target } from './scenario.ts'

const HEADER = ['', 'subject', 'control', 'ratio', '±', 'target', '', 'CPU µs', 'control CPU µs']

/** One table of all lines, ready to print. */
export function table(lines: readonly Line[]): string {
  const rows = [HEADER, ...lines.map(cells)]
  const widths = HEADER.map((_, column) => Math.max(...rows.map((row) => [...row[column]!].length)))
  const printed = rows.map((row) =>
    row
      .map((cell, column) => (column < 3 ? padEnd(cell, widths[column]!) : padStart(cell, widths[column]!)))
      .join('  ')
      .trimEnd(),
  )
  printed.splice(1, 0, widths.map((width) => '─'.repeat(width)).join('  '))
  return printed.join('\n')
}

function cells(line: Line): string[] {
  const met = meets(line)
  return [
    line.what,
    line.subject,
    line.control,
    number(line.ratio),
    line.spread === undefined ? '' : `${Math.round(line.spread * 100)} %`,
    line.target === undefined ? '' : target(line.target),
    met === undefined ? '' : met ? 'ok' : 'MISSED',
    line.cpuMicros === undefined ? '' : number(line.cpuMicros),
    line.controlCpuMicros === undefined ? '' : number(line.controlCpuMicros),
  ]
}

function target({ bound, value, unit }: Target): string {
  return `${bound === 'at least' ? '≥' : '≤'} ${value}${unit === undefined ? '' : ` ${unit}`}`
}

/** Three digits that matter. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

const padEnd = (cell: string, width: number): string => cell + ' '.repeat(width - [...cell].length)
const padStart = (cell: string, width: number): string => ' '.repeat(width - [...cell].length) + cell
