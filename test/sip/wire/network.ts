/** A whole telephone network in one process: database, engine, SIP application, accounts, and phones for them. */
import pino from 'pino'
import type { Test } from 'tap'
import { createSipApp, type SipApp } from '../../../src/sip/app.js'
import { hash } from '../../../src/sip/digest.js'
import type { Timing } from '../../../src/engine/transaction/timers.js'
import type { ListenerSpec, TlsMaterial } from '../../../src/engine/transport/transport.js'
import type { NewAccount, Store } from '../../../src/store/types.js'
import { testStore } from '../../support/database.js'
import { secret, startEdge, type TestEdge } from '../../support/edge.js'
import type { Phone, PhoneTransport, ReceivedMessage } from '../../support/phone.js'
import { digestAuthorization, newCallId, newTag, type RequestOptions } from '../../support/sip-text.js'

export const DOMAIN = 'example.org'
const REALM = 'privateline'

export interface Person {
  id: number
  username: string
  password: string
  number: string
}

export interface Network {
  store: Store
  app: SipApp
  edge: TestEdge
  person: (number: string, more?: Partial<NewAccount>) => Promise<Person>
  phone: (transport?: PhoneTransport) => Promise<Phone>
  /** Phone of a person, registered. */
  registered: (person: Person, transport?: PhoneTransport) => Promise<Phone>
  /** Another application in place of the one that was stopped. */
  restartApp: () => Promise<SipApp>
}

export async function startNetwork(
  t: Test,
  settings: { ringTimeout?: number; listeners?: ListenerSpec[]; tls?: TlsMaterial; timing?: Timing } = {},
): Promise<Network> {
  const store = await testStore(t)
  const { ringTimeout: _, ...edgeSettings } = settings
  const edge = await startEdge(t, edgeSettings)
  let written: Promise<unknown> = Promise.resolve()
  const group = await store.groups.create({ name: 'Everybody' })

  async function startApp(): Promise<SipApp> {
    const app = await createSipApp({
      config: {
        drainTimeout: 1,
        sip: {
          domains: [DOMAIN],
          realm: REALM,
          realmForce: false,
          listeners: [],
          minExpires: 60,
          defaultExpires: 3600,
          maxExpires: 7200,
          maxContacts: 10,
          authAlgorithms: ['SHA-256', 'MD5'],
          ringTimeout: settings.ringTimeout ?? 60,
          nonceLifetime: 3600,
          registrationBatch: 500,
        },
      },
      store,
      writeCall: (entry) => (written = written.then(() => store.calls.write([entry]))),
      writeSipEvent: (event) => (written = written.then(() => store.sipEvents.write([event]))),
      log: pino({ enabled: false }),
      // The engine tells the addresses of its listeners.
      isLocalHost: () => false,
    })
    t.teardown(async () => {
      await app.stop()
      // The store closes next.
      await written
    })
    await app.start({ ...edge.control, secret })
    return app
  }

  const network: Network = {
    store,
    edge,
    app: await startApp(),
    restartApp: startApp,
    async person(number, more = {}) {
      const username = `9${number}`
      const password = `secret of ${number}`
      const { id } = await store.accounts.create(group.id, {
        username,
        virtualNumber: number,
        displayName: `Person ${number}`,
        hashes: hashes(username, password),
        ...more,
      })
      return { id, username, password, number }
    },
    phone: (transport = 'udp') => edge.phone(transport),
    async registered(person, transport = 'udp') {
      const phone = await edge.phone(transport)
      await register(phone, person)
      return phone
    },
  }
  return network
}

export function hashes(username: string, password: string) {
  const ha1 = (algorithm: 'MD5' | 'SHA-256') => hash(algorithm, `${username}:${REALM}:${password}`)
  return { ha1Md5: ha1('MD5'), ha1Sha256: ha1('SHA-256') }
}

/** What a phone sends when its owner dials. */
export function toNumber(person: Person, number: string, more: Partial<RequestOptions> = {}): RequestOptions {
  return {
    method: 'INVITE',
    uri: `sip:${number}@${DOMAIN}`,
    from: `sip:${person.username}@${DOMAIN}`,
    fromTag: newTag(),
    callId: newCallId(),
    ...more,
  }
}

/**
 * Sends a request, answers the challenge, and returns the text of the second request. `challenge` is what was
 * answered to the first.
 */
export async function sendAuthenticated(
  phone: Phone,
  person: Pick<Person, 'username' | 'password'>,
  options: RequestOptions,
): Promise<{ sent: string; challenge: ReceivedMessage }> {
  const registering = options.method === 'REGISTER'
  const first = phone.request(options)
  phone.send(first)
  const challenge = await phone.expect(registering ? 401 : 407)
  if (options.method === 'INVITE') {
    const [branch] = /branch=([^;\r]+)/.exec(first)?.slice(1) ?? []
    phone.send(
      phone.request({
        ...options,
        method: 'ACK',
        ...(branch !== undefined && { branch }),
        headers: { To: challenge.header('to') ?? '' },
      }),
    )
  }
  const credentials = digestAuthorization(
    challenge.header(registering ? 'www-authenticate' : 'proxy-authenticate') ?? '',
    { ...person, method: options.method, uri: options.uri },
  )
  const name = registering ? 'Authorization' : 'Proxy-Authorization'
  const sent = phone.request({
    ...options,
    cseq: (options.cseq ?? 1) + 1,
    headers: { ...options.headers, [name]: credentials },
  })
  phone.send(sent)
  return { sent, challenge }
}

export function registerOptions(person: Person, more: Partial<RequestOptions> = {}): RequestOptions {
  return {
    method: 'REGISTER',
    uri: `sip:${DOMAIN}`,
    from: `sip:${person.username}@${DOMAIN}`,
    callId: newCallId(),
    fromTag: newTag(),
    ...more,
  }
}

export async function register(phone: Phone, person: Person, more: Partial<RequestOptions> = {}) {
  const { challenge } = await sendAuthenticated(phone, person, registerOptions(person, more))
  return { answer: await phone.expect(200), challenge }
}
