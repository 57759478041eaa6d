/**
 * A small drachtio-srf application, the same on every edge: REGISTER with a digest challenge that is checked from
 * memory, OPTIONS, calls to `answered` that it answers itself, and calls that are proxied with Record-Route to where the
 * called user is. Nothing is stored.
 */
import { createHash, randomBytes } from 'node:crypto'
import Srf, { type SrfRequest, type SrfResponse } from 'drachtio-srf'
import { memoryNow, serveSubject, subjectOptions } from '../subject.js'
import { passwordOf } from '../users.js'

export interface ApplicationOptions {
  control: { host: string; port: number; secret: string }
  /** host:port by user. */
  phones: Record<string, string>
}

const { control, phones } = subjectOptions<ApplicationOptions>()
const realm = 'bench'
const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

/** What stands in an account's record on a real server. */
const secrets = new Map<string, string>()
const secretOf = (user: string): string => {
  const known = secrets.get(user)
  if (known !== undefined) return known
  const secret = md5(`${user}:${realm}:${passwordOf(user)}`)
  secrets.set(user, secret)
  return secret
}

/** RFC 7616 with MD5 and no qop, as SIPp answers it. */
const proves = (authorization: string): boolean => {
  const fields = new Map<string, string>()
  for (const [, name = '', quoted, bare] of authorization.matchAll(/(\w+)=(?:"([^"]*)"|([^\s,]+))/g)) {
    fields.set(name, quoted ?? bare ?? '')
  }
  const field = (name: string): string => fields.get(name) ?? ''
  const request = md5(`REGISTER:${field('uri')}`)
  return field('response') === md5(`${secretOf(field('username'))}:${field('nonce')}:${request}`)
}

const register = (req: SrfRequest, res: SrfResponse): void => {
  if (!req.has('authorization')) {
    const challenge = `Digest realm="${realm}", nonce="${randomBytes(16).toString('hex')}", algorithm=MD5`
    res.send(401, { headers: { 'WWW-Authenticate': challenge } })
  } else if (proves(req.get('authorization'))) {
    res.send(200, { headers: { Contact: `${req.get('contact')};expires=600` } })
  } else {
    res.send(403)
  }
}

const invite = (req: SrfRequest, res: SrfResponse): void => {
  const user = /^sips?:([^@]*)@/.exec(req.uri)?.[1] ?? ''
  if (user === 'answered') {
    // Rejects if the caller gives up before its ACK; there is nothing to be tidied up then.
    srf.createUAS(req, res, { localSdp: req.body }).catch(() => {})
    return
  }
  const phone = phones[user]
  if (phone === undefined) return res.send(404)
  // A promise, whatever the types say. It rejects where the edge refuses: the caller has given up in the meantime.
  const done: unknown = srf.proxyRequest(req, [`sip:${user}@${phone}`], { remainInDialog: true })
  if (done instanceof Promise) done.catch(() => {})
}

const srf = new Srf()
srf.use('register', register)
srf.use('options', (_req: SrfRequest, res: SrfResponse) => res.send(200))
srf.invite(invite)
srf.on('error', () => {})
await new Promise<void>((resolve, reject) => {
  srf.on('connect', (error: Error | null) => (error ? reject(error) : resolve()))
  void srf.connect(control)
})
serveSubject('connected', { memory: memoryNow }, () => srf.disconnect())
