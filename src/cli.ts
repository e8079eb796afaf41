#!/usr/bin/env node
import { run } from './cli/run.ts'
import { processTerminal } from './cli/terminal.ts'

process.exitCode = await run(process.argv.slice(2), processTerminal())
// Nothing should be left that keeps the process alive; if something is, it does not keep the user waiting.
setTimeout(() => process.exit(), 1000).unref()
