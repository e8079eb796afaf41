export interface TapReport {
  /** Takes the next line of tap's output. */
  line(text: string): void
  /** What tap counted; a file without a single test counts as failed. */
  totals(): { passed: number; failed: number }
}

/** Shortens TAP to a line per file that passed, and all that helps to understand one that did not. */
export function createTapReport(print: (line: string) => void): TapReport {
  let block: string[] = []
  let inFailure = false
  let withoutTests = 0
  let counts: { passed: number; failed: number } | undefined

  return {
    line(text) {
      const total = /^# \{ total: \d+(.*) \}$/.exec(text)
      if (total !== null) {
        counts = { passed: countOf('pass', total[1]!), failed: countOf('fail', total[1]!) }
        return
      }
      const point = /^(not ok|ok) \d+(?: - (.*))?$/.exec(text)
      if (point === null) {
        if (/^(TAP version |1\.\.|# Subtest: |# No coverage|# time=)/.test(text)) inFailure = false
        else if (!inFailure) block.push(text)
        else if (/^ {2}(expired|exitCode|signal): (?!null)/.test(text)) print(text)
        return
      }
      const [, verdict, title = ''] = point
      const name = title.replace(
        / # time=([\d.]+)ms.*$/,
        (_, ms: string) => `  ${(Number(ms) / 1000).toFixed(1)} s`,
      )
      inFailure = verdict === 'not ok'
      if (inFailure) {
        print(`FAIL  ${name}`)
        for (const line of block.filter((line) => !/^\s*(ok \d|1\.\.|# time=|# Subtest: |$)/.test(line)))
          print(line)
      } else if (/ # SKIP no tests found/.test(title)) {
        withoutTests++
        print(`FAIL  ${title.replace(/ # SKIP.*/, '')}  no tests found`)
      } else {
        print(`ok    ${name}`)
        for (const line of block.filter((line) => /^\s+ok .* # (SKIP|TODO)/.test(line)))
          print(`      ${line.trim()}`)
      }
      block = []
    },
    totals: () => ({ passed: counts?.passed ?? 0, failed: (counts?.failed ?? 1) + withoutTests }),
  }
}

function countOf(word: string, text: string): number {
  return Number(new RegExp(`\\b${word}: (\\d+)`).exec(text)?.[1] ?? 0)
}
