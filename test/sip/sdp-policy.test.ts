import t from 'tap'
import { refuseMedia } from '../../src/sip/sdp-policy.js'
import type { SecurityModel } from '../../src/store/types.js'

const KEY = 'inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz'
const SDES = `a=crypto:1 AES_CM_128_HMAC_SHA1_80 ${KEY}`
const PRINT = 'a=fingerprint:sha-256 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB'
const ZRTP = 'a=zrtp-hash:1.10 fe30efd02423cb054e50efd0248742ac7a52c8f91bc2df881ae642c371ba46df'

/** A description whose media lines are given with what belongs to each; `session` stands before them. */
function sdp(media: readonly string[], session: readonly string[] = []): string {
  const head = ['v=0', 'o=- 1 1 IN IP4 192.0.2.1', 's=-', 'c=IN IP4 192.0.2.1', 't=0 0']
  return [...head, ...session, ...media, ''].join('\r\n')
}

const audio = (protocol: string, ...lines: string[]) => [`m=audio 4000 ${protocol} 0`, ...lines].join('\r\n')
const video = (protocol: string, ...lines: string[]) => [`m=video 4002 ${protocol} 99`, ...lines].join('\r\n')

/** Whether each model lets it through: standard, end-to-site, end-to-end. */
type Row = [what: string, text: string, verdicts: 'ok ok ok' | 'ok ok no' | 'ok no ok' | 'ok no no']

const rows: Row[] = [
  ['plain RTP', sdp([audio('RTP/AVP')]), 'ok no no'],
  ['plain RTP with feedback', sdp([audio('RTP/AVPF')]), 'ok no no'],
  ['SDES', sdp([audio('RTP/SAVP', SDES)]), 'ok ok no'],
  ['SDES with feedback', sdp([audio('RTP/SAVPF', SDES)]), 'ok ok no'],
  ['a secure profile without any key', sdp([audio('RTP/SAVP')]), 'ok no no'],
  ['SDES on a plain profile: used if the other likes', sdp([audio('RTP/AVP', SDES)]), 'ok no no'],
  ['SDES that leaves the media readable', sdp([audio('RTP/SAVP', `${SDES} UNENCRYPTED_SRTP`)]), 'ok no no'],
  ['SDES that anybody may change', sdp([audio('RTP/SAVP', `${SDES} UNAUTHENTICATED_SRTP`)]), 'ok no no'],
  ['one weak way among good ones', sdp([audio('RTP/SAVP', SDES, `a=crypto:2 NULL_X ${KEY}`)]), 'ok no no'],
  ['SDES of another line', sdp([audio('RTP/SAVP', SDES), video('RTP/SAVP')]), 'ok no no'],
  ['SDES before all lines belongs to none', sdp([audio('RTP/SAVP')], [SDES]), 'ok no no'],
  ['DTLS-SRTP', sdp([audio('UDP/TLS/RTP/SAVPF', PRINT)]), 'ok ok ok'],
  ['DTLS-SRTP of the whole session', sdp([audio('UDP/TLS/RTP/SAVP')], [PRINT]), 'ok ok ok'],
  ['DTLS-SRTP in the old spelling', sdp([audio('RTP/SAVP', PRINT)]), 'ok ok ok'],
  ['DTLS-SRTP without a fingerprint', sdp([audio('UDP/TLS/RTP/SAVPF')]), 'ok no no'],
  ['DTLS-SRTP on a plain profile', sdp([audio('RTP/AVP', PRINT)]), 'ok no no'],
  ['DTLS-SRTP or SDES', sdp([audio('UDP/TLS/RTP/SAVPF', PRINT, SDES)]), 'ok ok no'],
  ['ZRTP', sdp([audio('RTP/AVP', ZRTP)]), 'ok no ok'],
  ['ZRTP on a secure profile', sdp([audio('RTP/SAVP', ZRTP)]), 'ok no ok'],
  ['ZRTP within SDES', sdp([audio('RTP/SAVP', ZRTP, SDES)]), 'ok ok no'],
  ['ZRTP for audio alone', sdp([audio('RTP/AVP', ZRTP), video('RTP/AVP')]), 'ok no no'],
  [
    'one plain line among secure ones',
    sdp([audio('UDP/TLS/RTP/SAVPF', PRINT), video('RTP/AVP')]),
    'ok no no',
  ],
  ['a plain line that is declined', sdp(['m=video 0 RTP/AVP 99', audio('RTP/SAVP', PRINT)]), 'ok ok ok'],
  ['port 0 that shares another', sdp(['m=video 0 RTP/AVP 99\r\na=bundle-only'], [PRINT]), 'ok no no'],
  ['all declined', sdp(['m=audio 0 RTP/AVP 0']), 'ok ok ok'],
  ['a key on a declined line is known all the same', sdp([`m=audio 0 RTP/SAVP 0\r\n${SDES}`]), 'ok ok no'],
  ['a key as a capability', sdp([audio('RTP/SAVP', PRINT, `a=acap:1 ${SDES.slice(2)}`)]), 'ok ok no'],
  ['MIKEY', sdp([audio('RTP/SAVP', PRINT)], ['a=key-mgmt:mikey AQAFgM0X']), 'ok ok no'],
  ['a key of old', sdp([audio('RTP/SAVP', PRINT)], ['k=base64:AAAA']), 'ok ok no'],
  ['no media at all', sdp([]), 'ok ok ok'],
  ['data channel', sdp(['m=application 9 UDP/DTLS/SCTP webrtc-datachannel'], [PRINT]), 'ok ok ok'],
  ['fax in the clear', sdp(['m=image 4000 udptl t38']), 'ok no no'],
  ['lines that end in LF alone', sdp([audio('RTP/AVP')]).replace(/\r/g, ''), 'ok no no'],
  ['lines that end in CR alone', sdp([audio('RTP/AVP')]).replace(/\n/g, ''), 'ok no no'],
  ['lower case', sdp([audio('rtp/savp', SDES)]), 'ok ok no'],
]

const MODELS: SecurityModel[] = ['standard', 'end-to-site', 'end-to-end']

function verdicts(
  text: string,
  contentType: string | undefined = 'application/sdp',
  contentEncoding?: string,
) {
  const body = { contentType, contentEncoding, text }
  return MODELS.map((model) => (refuseMedia(model, body) ? 'no' : 'ok')).join(' ')
}

t.test('what each security model lets through, media line by media line', async (t) => {
  for (const [what, text, expected] of rows) t.equal(verdicts(text), expected, what)
})

t.test('a refusal is 488 and says in Warning and Reason what to do', async (t) => {
  const refusal = refuseMedia('end-to-end', {
    contentType: 'application/sdp',
    text: sdp([audio('RTP/SAVP', SDES)]),
  })
  const text =
    /The security model end-to-end forbids keys that the server can read \(SDES\): .* ZRTP or DTLS-SRTP/
  t.match(refusal, {
    status: 488,
    headers: { Warning: text, Reason: /^SIP;cause=488;text="The security model/ },
  })
  const plain = { contentType: 'application/sdp', text: sdp([video('RTP/AVP')]) }
  t.match(refuseMedia('end-to-site', plain)?.headers?.['Warning'], /the video of this call is not"$/)
  const odd = { contentType: undefined, text: 'm="x"\\ 4000 RTP/AVP 0' }
  t.match(refuseMedia('end-to-site', odd)?.headers?.['Warning'], /^399 privateline "[^"\\]*"$/)
})

t.test('bodies of other types are nobody’s business, and no description hides', async (t) => {
  const plain = sdp([audio('RTP/AVP')])
  const dtls = sdp([audio('UDP/TLS/RTP/SAVPF', PRINT)])
  const part = (type: string, text: string) => `\r\n--b\r\n${type}\r\n\r\n${text}`
  const multipart = 'multipart/mixed; boundary="b"'
  const sdpType = 'Content-Type: application/sdp'
  for (const [what, text, type, expected, encoding] of [
    ['digits', 'Signal=5', 'application/dtmf-relay', 'ok ok ok'],
    ['nothing', '', 'application/sdp', 'ok ok ok'],
    ['no type', plain, undefined, 'ok no no'],
    ['upper case', plain, 'Application/SDP; charset=utf-8', 'ok no no'],
    ['compressed', plain, 'application/sdp', 'ok no no', 'gzip'],
    ['encrypted', 'MIIB', 'application/pkcs7-mime; smime-type=enveloped-data', 'ok no no'],
    [
      'one of several parts',
      part('Content-Type: text/plain', 'hello') + part(sdpType, plain),
      multipart,
      'ok no no',
    ],
    ['two parts', part(sdpType, dtls) + part(sdpType, plain) + '\r\n--b--', multipart, 'ok no no'],
    [
      'good parts',
      part('Content-Type: text/plain', 'm=audio 1 RTP/AVP 0') + part(sdpType, dtls),
      multipart,
      'ok ok ok',
    ],
    ['a part without a type', '--b\r\n\r\n' + plain + '\r\n--b--', 'multipart/mixed;boundary=b', 'ok no no'],
    ['no boundary', plain, 'multipart/mixed', 'ok no no'],
    [
      'a part in base64',
      part(`${sdpType}\r\nContent-Transfer-Encoding: base64`, 'dj0w'),
      multipart,
      'ok no no',
    ],
    [
      'parts within parts',
      part(
        'Content-Type: multipart/alternative; boundary=c',
        `\r\n--c\r\n${sdpType}\r\n\r\n${plain}\r\n--c--`,
      ),
      multipart,
      'ok no no',
    ],
  ] as const)
    t.equal(verdicts(text, type, encoding), expected, what)
  let nested = plain
  for (let i = 0; i < 10; i++)
    nested = `--b${i}\r\nContent-Type: multipart/mixed; boundary=b${i - 1}\r\n\r\n${nested}`
  t.equal(verdicts(nested, 'multipart/mixed; boundary=b9'), 'ok no no', 'too deep to look')
})
