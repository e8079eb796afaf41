import t from 'tap'
import { RateLimiter } from '../../src/access/rate-limit.ts'

const rules = { often: { limit: 3, windowMs: 1_000 }, '*': { limit: 2, windowMs: 500 } }

t.test('a window starts with the first use and ends all at once', async (t) => {
  const limiter = new RateLimiter({ rules })
  for (const now of [100, 400, 1_099]) t.equal(limiter.use('often', now), undefined)
  t.match(limiter.use('often', 1_099), {
    code: 'RATE_LIMITED',
    retry: true,
    details: { limit: 3, windowMs: 1_000, resetAt: 1_100 },
  })
  for (const now of [1_100, 1_100, 1_100]) t.equal(limiter.use('often', now), undefined)
  t.match(limiter.use('often', 1_100), { details: { resetAt: 2_100 } })
})

t.test('what has no rule of its own is counted by itself, under the rule of the rest', async (t) => {
  const limiter = new RateLimiter({ rules })
  for (const key of ['a', 'b', 'a', 'b', 'constructor', '__proto__'])
    t.equal(limiter.use(key, 0), undefined, key)
  for (const key of ['a', 'b']) t.match(limiter.use(key, 499), { details: { limit: 2, resetAt: 500 } })
  t.equal(limiter.use('a', 500), undefined)
})

t.test('who makes up a new name each time is limited all the same', async (t) => {
  const limiter = new RateLimiter({ rules })
  let taken = 0
  for (let i = 0; i < 10_000; i++) if (limiter.use(`made-up-${i}`, i % 100) === undefined) taken++
  t.ok(taken < 300, `${taken} were taken`)
  t.equal(limiter.use('often', 100), undefined, 'what has a rule of its own is not affected')
  t.equal(limiter.use('made-up-1', 100), undefined, 'nor is what was counted before')
  t.equal(limiter.use('another', 700), undefined, 'and it is over when the window is')
})

t.test('going on after a thousand refusals is flooding', async (t) => {
  const limiter = new RateLimiter({ rules })
  for (let i = 0; i < 3 + 1_000; i++) limiter.use('often', 0)
  t.equal(limiter.flooding, false)
  limiter.use('often', 0)
  t.equal(limiter.flooding, true)

  const patient = new RateLimiter({ rules: { '*': { limit: 1, windowMs: 1_000_000 } } })
  for (let minute = 0; minute < 5; minute++) {
    for (let i = 0; i < 900; i++) patient.use('x', minute * 60_000)
  }
  t.equal(patient.flooding, false, 'not so within a minute')
})
