import { median, spread } from './statistics.ts'

/** Subject, control, subject, control: what disturbs the machine for a while disturbs both. */
export async function takeTurns<Subject, Control>(
  rounds: number,
  subject: () => Promise<Subject>,
  control: () => Promise<Control>,
): Promise<Turns<Subject, Control>> {
  const turns: Turns<Subject, Control> = { subject: [], control: [] }
  for (let round = 0; round < rounds; round++) {
    turns.subject.push(await subject())
    turns.control.push(await control())
  }
  return turns
}

export interface Turns<Subject, Control> {
  readonly subject: Subject[]
  readonly control: Control[]
}

/** Medians of both, the median of the rounds' ratios, and how far one round's ratio was from it. */
export function compare(subject: readonly number[], control: readonly number[]) {
  const ratios = subject.map((value, round) => value / control[round]!)
  return {
    subject: median(subject),
    control: median(control),
    ratio: median(ratios),
    spread: spread(ratios),
  }
}
