import t from 'tap'
import { percentile } from '../../bench/statistics.ts'
import { compare } from '../../bench/turns.ts'

t.test(
  'a comparison tells the medians, the median of the ratios and how far a round was from it',
  async (t) => {
    const { subject, control, ratio, spread } = compare([2, 6, 30], [1, 2, 5])
    t.equal(subject, 6)
    t.equal(control, 2)
    t.equal(ratio, 3)
    t.equal(spread, 1)
  },
)

t.test('a percentile is the nearest rank', async (t) => {
  const values = Array.from({ length: 100 }, (_, n) => 100 - n)
  t.equal(percentile(values, 0.5), 50)
  t.equal(percentile(values, 0.99), 99)
  t.equal(percentile(values, 1), 100)
})
