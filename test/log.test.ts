import t from 'tap'
import { createLog } from '../src/log.js'

/** A logger, and what it wrote so far. */
function capture(level: string, pretty: boolean) {
  const lines: string[] = []
  const log = createLog(level, { pretty, destination: { write: (line) => void lines.push(line) } })
  return { log, lines }
}

t.test('a line is one JSON object with level, time and msg', async (t) => {
  const { log, lines } = capture('info', false)
  log.info({ http: '127.0.0.1:8080', sip: ['udp:127.0.0.1:5060'] }, 'ready')
  t.equal(lines.length, 1)
  const line = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  t.match(line, { level: 30, msg: 'ready', http: '127.0.0.1:8080', sip: ['udp:127.0.0.1:5060'] })
  t.type(line.time, 'number')
  t.same(Object.keys(line).sort(), ['http', 'level', 'msg', 'sip', 'time'])
})

t.test('lines below the level are not written', async (t) => {
  const { log, lines } = capture('warn', false)
  log.info('no')
  log.warn('yes')
  t.equal(lines.length, 1)
})

t.test('secrets are hidden at every depth up to the third, in JSON and in readable lines', async (t) => {
  for (const pretty of [false, true]) {
    const { log, lines } = capture('info', pretty)
    log.info({ password: 'hunter2', user: 'kept' }, 'top')
    log.info({ account: { ha1_md5: 'hunter2', ha1Sha256: 'hunter2', name: 'kept' } }, 'second')
    log.info({ req: { headers: { authorization: 'hunter2', cookie: 'hunter2', host: 'kept' } } }, 'third')
    log.info({ msg2: { 'proxy-authorization': 'hunter2', token: 'hunter2', secret: 'hunter2', is: 'kept' } })
    log.child({ adminApiToken: 'hunter2' }).info('kept')
    const text = lines.join('')
    t.notMatch(text, /hunter2/)
    t.equal(text.match(/kept/g)?.length, 5)
  }
})

t.test('a line for people starts with the time and carries no JSON frame', async (t) => {
  const { log, lines } = capture('info', true)
  log.info('ready')
  t.match(lines[0], /\d\d:\d\d:\d\d\.\d{3}/)
  t.match(lines[0], /INFO.*ready/)
  t.notMatch(lines[0], /"msg"/)
})
