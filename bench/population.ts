/** The accounts and live bindings that a measurement finds. */
import { readFile } from 'node:fs/promises'
import { randomInt } from 'node:crypto'
import type { Product } from '../test/support/product.js'
import { Sipp, runSipp, type SippUser } from '../test/support/sipp.js'
import { boundPort, loadOptions, scenario, type Target } from './measure.js'

export interface Population {
  /** Phones that register and call. */
  phones: SippUser[]
  /** Phones that are called. */
  callees: SippUser[]
}

const callees = 100
/** Requests to the API at a time while filling. */
const parallel = 8
/** Registrations per second while filling, and how long one rate is kept. */
const slowest = 125
const fastest = 1000
const chunkSeconds = 5

/** Makes accounts through the API up to the wanted number; those of an earlier call stay. */
export const accountMaker = async (product: Product): Promise<(accounts: number) => Promise<Population>> => {
  const group = await product.createGroup('Bench')
  let number = 100_000
  const more = async (count: number): Promise<SippUser[]> => {
    const made: SippUser[] = []
    const wanted = Array.from({ length: count }, () => String(number++))
    const worker = async (): Promise<void> => {
      for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
        made.push(
          await product.createAccount(group, { virtualNumber: next, password: `pw-${randomInt(1e12)}` }),
        )
      }
    }
    await Promise.all(Array.from({ length: parallel }, worker))
    return made
  }
  const population: Population = { phones: [], callees: await more(callees) }
  return async (accounts) => {
    population.phones.push(...(await more(accounts - population.phones.length)))
    return population
  }
}

/** The accounts of another server: `username;password;number` a line, the last tenth (at most 100) callees. */
export const accountReader = async (file: string): Promise<(accounts: number) => Promise<Population>> => {
  const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line.trim() !== '')
  const users = lines.map((line, index): SippUser => {
    const [username, password, virtualNumber] = line.trim().split(';')
    if (username === undefined || password === undefined || virtualNumber === undefined) {
      throw new Error(`${file}:${index + 1}: username;password;number expected`)
    }
    return { username, password, virtualNumber }
  })
  const called = Math.max(1, Math.min(callees, Math.floor(users.length / 10)))
  return async (accounts) => {
    const phones = users.slice(0, users.length - called).slice(0, accounts)
    if (phones.length < accounts) throw new Error(`${file} has no ${accounts} accounts and ${called} callees`)
    return { phones, callees: users.slice(-called) }
  }
}

/**
 * Registers every device of `users` once. A server that was just started needs its time, and may say so (503): the
 * rate rises from chunk to chunk, and a chunk of which one failed is repeated more slowly.
 */
const register = async (
  target: Target,
  users: readonly SippUser[],
  keys: Record<string, string>,
): Promise<void> => {
  let rate = slowest
  for (let from = 0; from < users.length;) {
    const chunk = users.slice(from, from + rate * chunkSeconds)
    const result = await runSipp({
      scenario: scenario('register'),
      remote: target.address,
      transport: target.transport,
      users: chunk,
      calls: chunk.length,
      trace: false,
      timeout: chunkSeconds + 60,
      keys: { domain: target.domain, ...keys },
      options: loadOptions(rate),
    })
    if (result.code === 0) {
      from += chunk.length
      rate = Math.min(rate * 2, fastest)
    } else if (rate > slowest) {
      rate = Math.max(rate / 2, slowest)
    } else {
      throw new Error(`registering: ${result.failed} failed\n${result.errors.slice(0, 2000)}`)
    }
  }
}

/** Gives the phones `bindings` bindings in all, device after device. */
export const bind = async (target: Target, phones: readonly SippUser[], bindings: number): Promise<void> => {
  const device = (index: number): SippUser[] => {
    const phone = phones[index % phones.length]
    return phone === undefined ? [] : [{ ...phone, device: String(1 + Math.floor(index / phones.length)) }]
  }
  await register(target, Array.from({ length: bindings }, (_, index) => device(index)).flat(), {
    contact_port: boundPort,
  })
}

/** Starts a SIPp that plays a called phone's scenario for every call that comes. The caller stops it. */
export const calledPhone = async (role: string, transport: Target['transport'] = 'udp'): Promise<Sipp> => {
  const phone = await Sipp.start({
    scenario: scenario(role),
    transport,
    calls: 0,
    trace: false,
    timeout: 3600,
    options: loadOptions(10_000),
  })
  return phone.listening(transport)
}

/** Starts a SIPp that answers at once, registered for all the callees. The caller stops it. */
export const answering = async (target: Target, called: readonly SippUser[]): Promise<Sipp> => {
  const phone = await calledPhone('callee', target.transport)
  await register(target, called, { contact_port: String(phone.port) })
  return phone
}
