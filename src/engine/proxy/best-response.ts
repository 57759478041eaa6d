/** Which of the collected final responses goes upstream: RFC 3261 §16.7 step 6. */

export interface FinalResponse {
  status: number
  /** Made by us in the name of a target that could not be reached or stayed silent. */
  local: boolean
}

/** §16.7 step 6: these tell the caller how to try again with success, so they are preferred within their class. */
const helpful = [401, 407, 415, 420, 484]

/**
 * Index of the best response; -1 for an empty list.
 *
 * 6xx beats all; otherwise the lowest class. Within a class what a person or a device really said beats what we made
 * up for a silent target: a dead binding never spoils a call.
 */
export function bestResponse(responses: readonly FinalResponse[]): number {
  let best = -1
  for (const [index, response] of responses.entries()) {
    const champion = responses[best]
    if (!champion || compare(response, champion) < 0) best = index
  }
  return best
}

function compare(a: FinalResponse, b: FinalResponse): number {
  return (
    classRank(a.status) - classRank(b.status) ||
    Number(a.local) - Number(b.local) ||
    detailRank(a.status) - detailRank(b.status)
  )
}

function classRank(status: number): number {
  const statusClass = Math.floor(status / 100)
  return statusClass === 6 ? 0 : statusClass
}

function detailRank(status: number): number {
  if (helpful.includes(status)) return 0
  // 487 only echoes a CANCEL, 408 and 480 say that nobody reacted: anything else is more telling.
  if (status === 408 || status === 480 || status === 487 || status === 430) return 2
  return 1
}
