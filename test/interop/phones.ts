/** What the SIPp suites share: registered devices, and verdicts with their reason. */
import type { Account } from '../support/product.js'
import { Sipp, runSipp, type SippResult, type SippRun } from '../support/sipp.js'

export type Transport = 'udp' | 'tcp'
export type Host = '127.0.0.1' | '::1'

interface Verdicts {
  equal: (actual: unknown, expected: unknown, message: string) => unknown
  comment: (text: string) => void
  teardown: (fn: () => Promise<void>) => void
}

const verdict = (t: Verdicts, scenario: string, result: SippResult): void => {
  if (result.code !== 0) t.comment(`${scenario}:\n${result.errors}`)
  t.equal(result.code, 0, scenario)
}

/** Runs a scenario once and asserts that everything came as its script expects. */
export const plays = async (t: Verdicts, run: SippRun): Promise<void> => {
  verdict(t, run.scenario, await runSipp(run))
}

/** A registered device that plays a callee's scenario; call the result to assert that it went as scripted. */
export const device = async (
  t: Verdicts,
  server: string,
  account: Account,
  scenario: string,
  transport: Transport = 'udp',
  host: Host = '127.0.0.1',
): Promise<() => Promise<void>> => {
  const phone = await Sipp.start({ scenario, transport, host })
  t.teardown(async () => {
    phone.stop()
    await phone.done
  })
  await phone.listening(transport)
  await plays(t, {
    scenario: 'register-expect-200',
    remote: server,
    transport,
    host,
    users: [account],
    keys: { contact_port: String(phone.port) },
  })
  return async () => verdict(t, scenario, await phone.done)
}
