/** Something that must not be: what the fuzzer looks for. */
export class Find extends Error {
  override readonly name = 'Find'
}

/** As an error, whatever was thrown. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
