import t from 'tap'
import { createTapReport } from './tap-report.ts'

function report(text: string): { printed: string[]; passed: number; failed: number } {
  const printed: string[] = []
  const { line, totals } = createTapReport((printedLine) => printed.push(printedLine))
  for (const each of text.split('\n')) line(each)
  return { printed, ...totals() }
}

t.test('a file that passed is one line, with what it skipped', async (t) => {
  const text = `TAP version 14
1..1
# Subtest: test/a.test.ts
    # Subtest: good
        ok 1 - should be equal
        1..1
    ok 1 - good # time=2.791ms
    ok 2 - other # SKIP no psql
    1..2
ok 1 - test/a.test.ts # time=1234.5ms

# { total: 2, pass: 1, skip: 1 }
# time=1300ms`
  t.strictSame(report(text), {
    printed: ['ok    test/a.test.ts  1.2 s', '      ok 2 - other # SKIP no psql'],
    passed: 1,
    failed: 0,
  })
})

t.test('of a file that failed, what failed is shown', async (t) => {
  const text = `1..2
# Subtest: test/a.test.ts
    # Subtest: bad
        ok 1 - fine
        not ok 2 - one is two
          ---
          diff: |
            -2
            +1
          ...
    not ok 1 - bad # time=2.791ms
    1..1
not ok 1 - test/a.test.ts # time=1000ms
  ---
  stdio: inherit
  exitCode: 1
  signal: null
  ...

not ok 2 - timeout!
  ---
  expired: test/b.test.ts
  ...

# { total: 3, pass: 1, fail: 2 }`
  t.strictSame(report(text), {
    printed: [
      'FAIL  test/a.test.ts  1.0 s',
      '        not ok 2 - one is two',
      '          ---',
      '          diff: |',
      '            -2',
      '            +1',
      '          ...',
      '    not ok 1 - bad # time=2.791ms',
      '  exitCode: 1',
      'FAIL  timeout!',
      '  expired: test/b.test.ts',
    ],
    passed: 1,
    failed: 2,
  })
})

t.test('a file without tests is a failure, and so is a run that counted nothing', async (t) => {
  const text = `1..1
# Subtest: test/a.test.ts
    1..0 # no tests found
ok 1 - test/a.test.ts # SKIP no tests found

# { total: 1, pass: 0, skip: 1 }`
  t.match(report(text), { printed: ['FAIL  test/a.test.ts  no tests found'], passed: 0, failed: 1 })
  t.match(report(''), { passed: 0, failed: 1 })
})
