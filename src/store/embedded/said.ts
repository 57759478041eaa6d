/** What PostgreSQL's programs write, reduced to the one line that tells why something failed. */

/** Undefined if nothing was said. The last fatal line counts, then the first that names an error, then the last of all. */
export function reasonIn(text: string): string | undefined {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const fatal = lines.findLast((line) => /\b(FATAL|PANIC):/.test(line))
  if (fatal !== undefined) return fatal.replace(/^.*\b(FATAL|PANIC):\s*/, '')
  return lines.find((line) => /\berror:|\bERROR:|could not|No space left/.test(line)) ?? lines.at(-1)
}
