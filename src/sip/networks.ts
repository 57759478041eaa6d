/** From which networks an account may be used: the deny and permit lists of desk phones. Pure. */
import { BlockList, isIPv6 } from 'node:net'
import type { SipAccount } from '../store/types.js'
import { warning, type Reply } from './reply.js'

/** Node takes `::/0` for all of IPv4 as well, so each family has a list of its own. */
interface Networks {
  v4: BlockList
  v6: BlockList
}

/**
 * The answer to a desk phone that is where it may not be; undefined if all is well. `deny` is looked at first, then
 * `permit`, which lets in what was denied: deny `0.0.0.0/0` and permit `10.0.0.0/8` leaves that network. A `permit` without
 * a `deny` means these and no others. `address`: an IP address without brackets.
 */
export function refuseNetwork(account: SipAccount, address: string): Reply | undefined {
  if (account.type !== 'deskphone') return undefined
  if (account.deny.length === 0 && account.permit.length === 0) return undefined
  const { deny, permit } = listsOf(account)
  const denied = account.deny.length === 0 || includes(deny, address)
  if (!denied || includes(permit, address)) return undefined
  return {
    status: 403,
    reason: 'Network Not Permitted',
    headers: warning(
      `This desk phone may not be used from the network that it is in (its address is ${address})`,
    ),
  }
}

/** An account in memory is replaced, never changed, so its lists live as long as it does. */
const lists = new WeakMap<SipAccount, { deny: Networks; permit: Networks }>()

function listsOf(account: SipAccount): { deny: Networks; permit: Networks } {
  let known = lists.get(account)
  if (!known) {
    known = { deny: networks(account.deny), permit: networks(account.permit) }
    lists.set(account, known)
  }
  return known
}

/** `10.0.0.0/8`, `2001:db8::/32`. Throws for anything else, which nobody may take for an empty list. */
function networks(cidrs: readonly string[]): Networks {
  const all = { v4: new BlockList(), v6: new BlockList() }
  for (const cidr of cidrs) {
    const [, address = '', length] = /^(.*)\/(\d+)$/.exec(cidr) ?? []
    if (isIPv6(address)) all.v6.addSubnet(address, Number(length), 'ipv6')
    else all.v4.addSubnet(address, Number(length), 'ipv4')
  }
  return all
}

/** An IPv4 address may come as an IPv6 one (`::ffff:192.0.2.1`); Node knows these. */
function includes({ v4, v6 }: Networks, address: string): boolean {
  if (!isIPv6(address)) return v4.check(address, 'ipv4')
  return v4.check(address, 'ipv6') || v6.check(address, 'ipv6')
}
