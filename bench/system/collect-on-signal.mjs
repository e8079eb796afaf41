// Loaded into measured processes by --import: SIGUSR2 collects all garbage, twice, since what the first collection
// finalises only the second one frees.
process.on('SIGUSR2', () => {
  globalThis.gc?.()
  setImmediate(() => globalThis.gc?.())
})
