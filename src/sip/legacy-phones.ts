/** Phones in the field that can't follow a standard, and what they get instead. Pure. */
import type { DigestAlgorithm } from '../config.js'

/**
 * The algorithms to offer to this User-Agent. RFC 8760 §2.6 lets a client pass over a challenge that it doesn't know;
 * baresip before 3.12 gives up at the first SHA-256, wherever it stands. It is offered nothing that others are not.
 */
export function algorithmsFor(
  userAgent: string | undefined,
  offered: readonly DigestAlgorithm[],
): readonly DigestAlgorithm[] {
  if (!offered.includes('MD5') || !isOldBaresip(userAgent)) return offered
  return ['MD5']
}

function isOldBaresip(userAgent: string | undefined): boolean {
  const version = /^baresip v?(\d+)\.(\d+)/.exec(userAgent ?? '')
  if (!version) return false
  const [major, minor] = [Number(version[1]), Number(version[2])]
  return major < 3 || (major === 3 && minor < 12)
}
