/** REGISTERs and bindings for tests of the registrar. */
import type { Binding } from '../../src/store/types.js'
import { splitValues } from '../../src/sip/header-values.js'
import { readRegister, type RegisterRequest } from '../../src/sip/register-request.js'

export const ORIGIN = {
  source: '192.0.2.7:5060',
  transport: 'udp',
  receivedOn: null,
  node: 'node-a',
} as const
export const NOW = Date.parse('2026-11-24T12:00:00Z')

/** Reads headers as the application does; names in lower case. */
export function read(headers: Record<string, string>) {
  const all: Record<string, string> = { 'call-id': 'c1', cseq: '1 REGISTER', ...headers }
  return readRegister(
    {
      header: (name) => all[name.toLowerCase()],
      headerValues: (name) => splitValues(all[name.toLowerCase()] ?? ''),
    },
    ORIGIN,
  )
}

export function registerRequest(headers: Record<string, string>): RegisterRequest {
  const result = read(headers)
  if ('reply' in result) throw new Error(`refused: ${result.reply.status} ${result.reply.reason}`)
  return result.request
}

export function binding(contact: string, more: Partial<Binding> = {}): Binding {
  return {
    contact,
    instance: null,
    regId: null,
    q: 1,
    callId: 'c1',
    cseq: 1,
    expiresAt: NOW + 3_600_000,
    path: [],
    userAgent: null,
    createdAt: NOW - 1000,
    ...ORIGIN,
    ...more,
  }
}
