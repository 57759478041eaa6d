import type { BaseLogger } from 'pino'

/** What the store needs of a logger; pino's fits. */
export type StoreLog = Pick<BaseLogger, 'debug' | 'info' | 'warn' | 'error'>
