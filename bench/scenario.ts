import type { Workbench } from './workbench.ts'

/** One line of the table: a subject, its control, and how the one stands to the other. */
export interface Line {
  /** What is compared, with its unit: "durable publish, 64 sockets × 64, acks/s". */
  readonly what: string
  readonly subject: string
  /** The measured value of the control, and what the control is. */
  readonly control: string
  /** Subject to control, or what the target is about if that is something else. */
  readonly ratio: number
  readonly target?: Target
  /** The largest distance of one round's ratio from the median, as a part of it. */
  readonly spread?: number
  /** CPU of the server process in microseconds for each event, from the operating system. */
  readonly cpuMicros?: number
  readonly controlCpuMicros?: number
}

export interface Target {
  readonly bound: 'at least' | 'at most'
  readonly value: number
  /** If the target is about something else than the ratio (bytes, a count): that something. */
  readonly measured?: number
  readonly unit?: string
}

export interface Scenario {
  readonly name: string
  run(bench: Workbench): Promise<Line[]>
}

export function meets(line: Line): boolean | undefined {
  if (line.target === undefined) return undefined
  const measured = line.target.measured ?? line.ratio
  return line.target.bound === 'at least' ? measured >= line.target.value : measured <= line.target.value
}
