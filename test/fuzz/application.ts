/** The application behind the engine under fuzz: does with a request what the user of its Request-URI says. */
import { sdp } from '../support/call.js'
import type { App, AppRequest, AppResponse, Dialog } from '../support/srf.js'

const methods = [
  ...[
    'invite',
    'options',
    'register',
    'subscribe',
    'publish',
    'message',
    'refer',
    'info',
    'notify',
    'update',
  ],
] as const

/** RFC 4488 §4. */
const withoutSubscription = { 'Refer-Sub': 'false' }

export class FuzzApplication {
  /** Of calls that were answered; gone when either side has hung up. */
  readonly #dialogs = new Set<Dialog>()
  /** Requests that ring, or that are with somebody else who may never answer. */
  readonly #unanswered = new Set<AppResponse>()

  /** @param peer host:port of a SIP element that answers anything, for calls that go on */
  constructor(
    private readonly app: App,
    private readonly peer: string,
  ) {
    for (const method of methods) app.use(method, (req, res) => this.#handle(req, res))
  }

  /** Hangs up everywhere. */
  async hangUp(): Promise<void> {
    for (const res of this.#unanswered) if (!res.finalResponseSent) res.send(480)
    this.#unanswered.clear()
    const dialogs = [...this.#dialogs]
    this.#dialogs.clear()
    await Promise.all(dialogs.map((dialog) => dialog.destroy().catch(() => undefined)))
  }

  #handle(req: AppRequest, res: AppResponse): void {
    // RFC 6665 §8.2.1, §7.2.2.
    if (req.method === 'SUBSCRIBE' && !/^[\w.-]+(;id=\w+)?$/.test(req.get('event') ?? ''))
      return res.send(489)
    const user = /^sips?:(\w+)@/.exec(req.uri)?.[1] ?? ''
    const done =
      req.method === 'INVITE' || req.method === 'SUBSCRIBE' ? this.#call(user, req, res) : undefined
    if (done) done.catch(() => undefined)
    else if (req.method === 'REFER') res.send(202, { headers: withoutSubscription })
    else if (user !== 'silent') res.send(200)
  }

  /** Undefined for what makes no call. */
  #call(user: string, req: AppRequest, res: AppResponse): Promise<unknown> | undefined {
    const destination = [`sip:callee@${this.peer}`, 'sip:nobody@127.0.0.1:9;transport=tcp']
    switch (user) {
      case 'answer':
        return this.app.createUAS(req, res, { localSdp: sdp }).then((dialog) => this.#keep(dialog))
      case 'ring':
        res.send(180, { headers: { Require: '100rel' } })
        this.#unanswered.add(res)
        return Promise.resolve()
      case 'proxy':
        return req.proxy({ destination, recordRoute: true, forking: 'simultaneous', finalTimeout: '500ms' })
      case 'bridge':
        return this.app
          .createB2BUA(req, res, `sip:callee@${this.peer}`, { localSdpB: sdp })
          .then(({ uas, uac }) => [uas, uac].forEach((dialog) => this.#keep(dialog)))
      case 'silent':
        return Promise.resolve()
      default:
        res.send(486)
        return Promise.resolve()
    }
  }

  #keep(dialog: Dialog): void {
    this.#dialogs.add(dialog)
    dialog.on('destroy', () => this.#dialogs.delete(dialog))
    for (const event of ['info', 'notify', 'message', 'options', 'update', 'modify'] as const)
      dialog.on(event, (_req, res) => res.send(200))
    // Subscriptions would have to be ended one by one.
    dialog.on('refer', (_req, res) => res.send(202, { headers: withoutSubscription }))
    dialog.on('subscribe', (_req, res) => res.send(489))
  }
}
