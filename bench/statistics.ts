/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Nearest rank; `rank` from 0 to 1. */
export function percentile(values: ArrayLike<number>, rank: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(rank * sorted.length) - 1))]!
}

/** The largest distance from the median, as a part of it. */
export function spread(values: readonly number[]): number {
  const middle = median(values)
  if (middle === 0) return 0
  return Math.max(...values.map((value) => Math.abs(value - middle))) / Math.abs(middle)
}
