/**
 * The shell around registration.ts: REGISTERs that arrive together become one transaction, and each is answered
 * after its commit. See docs/decisions/registrar-batching.md.
 */
import type { Logger } from 'pino'
import type { Binding, RegistrationStore, SipAccount } from '../store/types.js'
import { register, type Registered, type RegistrationPolicy } from './registration.js'
import type { RegisterRequest } from './register-request.js'
import { warning, type Reply } from './reply.js'
import { allowsTransport } from './routing.js'

export interface Registrar {
  /** Resolves after the commit. Rejects if the store failed, with that request alone as well. */
  register(accountId: number, request: RegisterRequest): Promise<Registered>
  /** REGISTERs that wait for their turn. */
  readonly queued: number
  /** Resolves when all that were accepted have been settled, and ends the sweeping. */
  stop(): Promise<void>
}

interface Waiting {
  accountId: number
  request: RegisterRequest
  resolve(registered: Registered): void
  reject(error: unknown): void
}

/** Some seconds of work. What waits longer is sent again by the phone anyway. */
const MAX_QUEUED = 10_000
const SWEEP_MS = 30_000
/** As many as this at once are a load. */
const BUSY_BATCH = 4
/** How long a batch collects under load, ms. */
const COLLECT_MS = 2

export function createRegistrar(options: {
  store: Pick<RegistrationStore, 'apply' | 'deleteExpired'>
  policy: RegistrationPolicy
  /** Most REGISTERs in one transaction. */
  batch: number
  databaseAnswers: () => Promise<boolean>
  log: Logger
  now: () => number
  maxQueued?: number
}): Registrar {
  const { store, policy, log, now } = options
  const queue: Waiting[] = []
  let working: Promise<void> | undefined
  let busy = false

  const sweep = setInterval(() => {
    store.deleteExpired().catch((error: unknown) => log.warn({ err: error }, 'expired bindings stay for now'))
  }, SWEEP_MS)
  sweep.unref()

  async function work(): Promise<void> {
    // What arrives in this turn of the event loop goes together, also when nothing else is under way. Under load it is
    // worth waiting for more: a transaction costs far more than a row in it.
    await (busy
      ? new Promise((resolve) => setTimeout(resolve, COLLECT_MS))
      : new Promise((resolve) => setImmediate(resolve)))
    busy = queue.length >= BUSY_BATCH
    while (queue.length > 0) await applyTogether(queue.splice(0, options.batch))
    working = undefined
  }

  async function applyTogether(batch: Waiting[]): Promise<void> {
    try {
      await apply(batch)
    } catch (error) {
      // One of them may have spoilt it for the others: each gets a chance of its own, unless nobody would have one.
      if (batch.length > 1 && (await options.databaseAnswers()))
        for (const one of batch) await applyTogether([one])
      else for (const one of batch) one.reject(error)
    }
  }

  async function apply(batch: Waiting[]): Promise<void> {
    const outcomes = await store.apply(
      batch.map(({ accountId, request }) => ({
        accountId,
        decide(bindings: readonly Binding[], account: SipAccount) {
          const registered = decide(bindings, account, request)
          return registered.bindings
            ? { bindings: registered.bindings, result: registered }
            : { result: registered }
        },
      })),
    )
    for (const [i, one] of batch.entries()) {
      const outcome = outcomes[i]
      if (outcome === undefined) one.reject(new Error('the store lost a registration'))
      else one.resolve(outcome === 'gone' ? refused({ status: 403 }) : outcome.result)
    }
  }

  /** The account may have changed since it was authenticated; here it is locked. */
  function decide(bindings: readonly Binding[], account: SipAccount, request: RegisterRequest): Registered {
    if (!account.enabled) return refused({ status: 403, reason: 'Account Disabled' })
    if (!allowsTransport(account.securityModel, request.transport)) {
      const text = `The security model ${account.securityModel} needs TLS or WSS between your phone and the server`
      return refused({ status: 403, reason: 'Secure Transport Required', headers: warning(text) })
    }
    return register(bindings, request, now(), policy)
  }

  return {
    get queued() {
      return queue.length
    },

    register(accountId, request) {
      if (queue.length >= (options.maxQueued ?? MAX_QUEUED))
        return Promise.resolve(
          refused({ status: 503, reason: 'Registrar Busy', headers: { 'Retry-After': '5' } }),
        )
      return new Promise((resolve, reject) => {
        queue.push({ accountId, request, resolve, reject })
        working ??= work()
      })
    },

    async stop() {
      clearInterval(sweep)
      await working
    },
  }
}

function refused(reply: Reply): Registered {
  return { reply, added: 0, refreshed: 0, removed: 0 }
}
