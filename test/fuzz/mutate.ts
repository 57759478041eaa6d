/** Damage to messages: of bits, of bytes, of tokens, of header lines, of lengths, and by joining two of them. */
import type { Random } from './random.js'

const specials = [
  ...['\0', '\r', '\n', '\r\n', '\r\n\r\n', '\r\n ', '\t', ' ', '"', '\\', '\\"', '<', '>', '<>', ',', ',,'],
  ...[
    ';',
    ';;',
    ':',
    '@',
    '=',
    '?',
    '&',
    '%',
    '%00',
    '%0d%0a',
    '[',
    ']',
    '[::1]',
    '*',
    '|',
    '#',
    '\x7f',
    '\xff',
  ],
  ...[
    '\xc3\xa4',
    '\xe2\x80\xa8',
    '\xc0\x80',
    '\xed\xa0\x80',
    ';lr',
    ';rport',
    ';rport=1',
    ';received=192.0.2.1',
  ],
  ...[
    ';tag=',
    ';tag=x',
    ';branch=',
    ';branch=z9hG4bK',
    ';transport=tcp',
    ';transport=ws',
    ';maddr=192.0.2.1',
  ],
  ...[
    'sip:',
    'sips:a@b',
    'tel:+1',
    'http://a',
    'sip:a@127.0.0.1:9',
    'sip:@',
    'SIP/2.0',
    'SIP/3.0',
    'sip/2.0',
  ],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '${x}', '$&', '$1', '{{', "'", '`'],
]
const methods = [
  'INVITE',
  'ACK',
  'CANCEL',
  'BYE',
  'REGISTER',
  'OPTIONS',
  'PRACK',
  'UPDATE',
  'INFO',
  'invite',
  'X',
]
const headerNames = [
  ...['Via', 'v', 'Route', 'Record-Route', 'Contact', 'm', 'To', 'From', 'Call-ID', 'CSeq', 'Max-Forwards'],
  ...[
    'Content-Length',
    'l',
    'Content-Type',
    'Require',
    'Proxy-Require',
    'Replaces',
    'RAck',
    'RSeq',
    'Expires',
  ],
  ...['Session-Expires', 'Event', 'Path', 'Authorization', '__proto__', 'constructor'],
]
const numbers = [
  ...[
    '0',
    '00',
    '-1',
    '1',
    '65535',
    '65536',
    '2147483647',
    '2147483648',
    '4294967295',
    '4294967296',
    '1e3',
    '0x10',
  ],
  ...['9007199254740993', '99999999999999999999999', '', 'NaN', '+1', '1.5'],
]

type Mutation = (text: string, random: Random, other: string) => string

const splice = (text: string, at: number, remove: number, insert: string): string =>
  text.slice(0, at) + insert + text.slice(at + remove)

/** Exchanges one match of the pattern, if there is one. */
function exchange(text: string, random: Random, pattern: RegExp, by: (found: string) => string): string {
  const matches = [...text.matchAll(pattern)]
  if (matches.length === 0) return text
  const { index, 0: found } = random.pick(matches)
  return splice(text, index, found.length, by(found))
}

function lines(text: string, change: (lines: string[]) => void): string {
  const gap = text.indexOf('\r\n\r\n')
  const head = (gap === -1 ? text : text.slice(0, gap)).split('\r\n')
  change(head)
  return head.join('\r\n') + (gap === -1 ? '' : text.slice(gap))
}

const mutations: readonly Mutation[] = [
  function flipBit(text, random) {
    const at = random.below(text.length)
    return splice(text, at, 1, String.fromCharCode(text.charCodeAt(at) ^ (1 << random.below(8))))
  },
  function setByte(text, random) {
    return splice(text, random.below(text.length), 1, String.fromCharCode(random.below(256)))
  },
  function insertSpecial(text, random) {
    return splice(text, random.below(text.length + 1), random.below(3), random.pick(specials))
  },
  function removeRange(text, random) {
    return splice(text, random.below(text.length), 1 + random.below(20), '')
  },
  function repeatRange(text, random) {
    const at = random.below(text.length)
    const range = text.slice(at, at + 1 + random.below(12))
    return splice(text, at, 0, range.repeat(1 + random.below(random.chance(0.1) ? 3000 : 5)))
  },
  function truncate(text, random) {
    return text.slice(0, random.below(text.length + 1))
  },
  function swapToken(text, random) {
    const tokens = text.match(/[\w.%-]+/g) ?? ['x']
    return exchange(text, random, /[\w.%-]+/g, () =>
      random.pick([random.pick(tokens), random.pick(specials)]),
    )
  },
  function changeMethod(text, random) {
    return exchange(text, random, /\b[A-Z]{3,9}\b/g, () => random.pick(methods))
  },
  function changeNumber(text, random) {
    return exchange(text, random, /\d+/g, () => random.pick(numbers))
  },
  function lieAboutLength(text, random) {
    return text.replace(/^((?:content-length|l)[ \t]*:)[ \t]*\d*/im, (_, name: string) => {
      const near = String(text.length - text.indexOf('\r\n\r\n') - 4 + random.below(5) - 2)
      return `${name} ${random.pick([near, random.pick(numbers)])}`
    })
  },
  function doubleLine(text, random) {
    return lines(text, (head) => head.splice(random.below(head.length), 0, random.pick(head)))
  },
  function removeLine(text, random) {
    return lines(text, (head) => head.splice(random.below(head.length), 1))
  },
  function moveLine(text, random) {
    return lines(text, (head) => {
      const [line = ''] = head.splice(random.below(head.length), 1)
      head.splice(random.below(head.length), 0, line)
    })
  },
  function cutLine(text, random) {
    return lines(text, (head) => {
      const at = random.below(head.length)
      head[at] = head[at]?.slice(0, random.below(head[at].length + 1)) ?? ''
    })
  },
  function foldLine(text, random) {
    return exchange(text, random, / /g, () => random.pick(['\r\n ', '\r\n\t', '\r\n \r\n ', '\n ']))
  },
  function renameHeader(text, random) {
    return exchange(text, random, /^[\w-]+(?=[ \t]*:)/gm, () => random.pick(headerNames))
  },
  function addHeader(text, random, other) {
    const value = random.pick([random.pick(specials), random.pick(other.split('\r\n')), 'x'.repeat(9000)])
    const line = `${random.pick(headerNames)}: ${value}`
    return lines(text, (head) => head.splice(1 + random.below(head.length), 0, line))
  },
  function changeLineEnds(text, random) {
    return exchange(text, random, /\r\n/g, () => random.pick(['\n', '\r', '\r\r\n', '\n\r', '']))
  },
  function join(text, random, other) {
    return text.slice(0, random.below(text.length)) + other.slice(random.below(other.length))
  },
  function append(text, random, other) {
    return text + random.pick(['', '\r\n', '\r\n\r\n', '\0']) + other
  },
]

/** One to four changes; `other` is a message to take pieces from. Never empty, and never much above 64 kB. */
export function mutate(random: Random, bytes: Buffer, other: Buffer): Buffer {
  let text = bytes.toString('latin1')
  const donor = other.toString('latin1')
  for (let left = 1 + random.below(4); left > 0; left--) text = random.pick(mutations)(text, random, donor)
  return Buffer.from(text === '' ? '\0' : text.slice(0, 70_000), 'latin1')
}
