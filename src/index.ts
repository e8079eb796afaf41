export * from '../protocol/index.ts'
export { type Config, ConfigError, readConfig } from './config.ts'
export { startServer } from './server.ts'
