/**
 * What the two edges are known to do differently. Each entry is asserted by a test through `edge.differs` and listed
 * in docs/decisions/two-edges.md; a difference that is not here is a fault of one of them.
 */
export type EdgeName = 'embedded engine' | 'drachtio-server'

export interface Difference {
  readonly behaviour: string
  readonly embedded: string
  readonly drachtioServer: string
  readonly why: string
}

export const differences = {} as const satisfies Record<string, Difference>

export type DifferenceName = keyof typeof differences
