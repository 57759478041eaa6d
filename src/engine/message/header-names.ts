/** Header field names: canonical names, compact forms (IANA registry), and labels to write. */

/** A name as read: `name` is canonical (lower case, long form), `label` is the spelling on the wire. */
export interface HeaderName {
  readonly name: string
  readonly label: string
  /** Its spelling is one of ours, so it needs no further check. */
  readonly known: boolean
}

/** The usual spelling of every header we know of, with its compact form where one is registered. */
const registered: readonly (readonly [label: string, compact?: string])[] = [
  ['Accept'],
  ['Accept-Contact', 'a'],
  ['Accept-Encoding'],
  ['Accept-Language'],
  ['Accept-Resource-Priority'],
  ['Alert-Info'],
  ['Allow'],
  ['Allow-Events', 'u'],
  ['Authentication-Info'],
  ['Authorization'],
  ['Call-ID', 'i'],
  ['Call-Info'],
  ['Contact', 'm'],
  ['Content-Disposition'],
  ['Content-Encoding', 'e'],
  ['Content-Language'],
  ['Content-Length', 'l'],
  ['Content-Type', 'c'],
  ['CSeq'],
  ['Date'],
  ['Diversion'],
  ['Error-Info'],
  ['Event', 'o'],
  ['Expires'],
  ['Feature-Caps'],
  ['Flow-Timer'],
  ['From', 'f'],
  ['Geolocation'],
  ['History-Info'],
  ['Identity', 'y'],
  ['Identity-Info', 'n'],
  ['In-Reply-To'],
  ['Info-Package'],
  ['Join'],
  ['Max-Breadth'],
  ['Max-Forwards'],
  ['MIME-Version'],
  ['Min-Expires'],
  ['Min-SE'],
  ['Organization'],
  ['P-Access-Network-Info'],
  ['P-Asserted-Identity'],
  ['P-Associated-URI'],
  ['P-Called-Party-ID'],
  ['P-Charging-Function-Addresses'],
  ['P-Charging-Vector'],
  ['P-Early-Media'],
  ['P-Preferred-Identity'],
  ['P-Preferred-Service'],
  ['P-Visited-Network-ID'],
  ['Path'],
  ['Priority'],
  ['Privacy'],
  ['Proxy-Authenticate'],
  ['Proxy-Authentication-Info'],
  ['Proxy-Authorization'],
  ['Proxy-Require'],
  ['RAck'],
  ['Reason'],
  ['Record-Route'],
  ['Recv-Info'],
  ['Refer-Sub'],
  ['Refer-To', 'r'],
  ['Referred-By', 'b'],
  ['Reject-Contact', 'j'],
  ['Remote-Party-ID'],
  ['Replaces'],
  ['Reply-To'],
  ['Request-Disposition', 'd'],
  ['Require'],
  ['Resource-Priority'],
  ['Retry-After'],
  ['Route'],
  ['RSeq'],
  ['Security-Client'],
  ['Security-Server'],
  ['Security-Verify'],
  ['Server'],
  ['Service-Route'],
  ['Session-Expires', 'x'],
  ['Session-ID'],
  ['SIP-ETag'],
  ['SIP-If-Match'],
  ['Subject', 's'],
  ['Subscription-State'],
  ['Supported', 'k'],
  ['Suppress-If-Match'],
  ['Target-Dialog'],
  ['Timestamp'],
  ['To', 't'],
  ['Unsupported'],
  ['User-Agent'],
  ['User-to-User'],
  ['Via', 'v'],
  ['Warning'],
  ['WWW-Authenticate'],
]

const labels = new Map<string, string>()
const compactForms = new Map<string, string>()
/** Exact spelling -> result. The usual spellings are found here without allocating a lower-cased copy. */
const spellings = new Map<string, HeaderName>()

for (const [label, compact] of registered) {
  const name = interned(label.toLowerCase())
  labels.set(name, label)
  for (const spelling of [label, name]) spellings.set(spelling, { name, label: spelling, known: true })
  if (compact === undefined) continue
  compactForms.set(compact, name)
  for (const spelling of [compact, compact.toUpperCase()])
    spellings.set(spelling, { name, label: spelling, known: true })
}

/**
 * The engine's one copy of a string, as literals are: comparing it with a literal is then comparing two pointers.
 * Header look-ups are such comparisons, and they are on the hot path.
 */
function interned(text: string): string {
  return Object.keys({ [text]: true })[0] ?? text
}

/** The name behind a spelling on the wire: `v`, `VIA` and `Via` are all `via`. Unknown names are lower-cased. */
export function readHeaderName(spelling: string): HeaderName {
  const found = spellings.get(spelling)
  if (found !== undefined) return found
  return { name: canonicalName(spelling), label: spelling, known: false }
}

/** Canonical name: lower case, long form. */
export function canonicalName(spelling: string): string {
  const found = spellings.get(spelling)
  if (found !== undefined) return found.name
  const lower = spelling.toLowerCase()
  return compactForms.get(lower) ?? lower
}

/** The spelling to write for a canonical name: `call-id` -> `Call-ID`; unknown ones get capitals after each dash. */
export function labelFor(name: string): string {
  return (
    labels.get(name) ??
    name.replace(/(^|-)([a-z])/g, (_, dash: string, letter: string) => dash + letter.toUpperCase())
  )
}
