import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import t from 'tap'
import { aCall, aSipEvent, ofNobody } from '../store/samples.js'
import { aGroup, anAccount, api, type Answer, type Api, type Body } from './api.js'

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  security: object[]
  parameters?: { name: string; in: string; schema: object }[]
  responses: Record<string, { description: string; content?: Record<string, { schema: Body }> }>
}

interface Document {
  openapi: string
  info: { title: string; version: string }
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Body> }
}

const documentOf = async ({ send }: Api) => (await send({ url: '/openapi.json' })).body as unknown as Document

/** A copy with every reference replaced by what it refers to. Throws on one that leads nowhere. */
function resolved(node: unknown, document: Document): unknown {
  if (Array.isArray(node)) return node.map((entry) => resolved(entry, document))
  if (typeof node !== 'object' || node === null) return node
  const reference = (node as { $ref?: unknown }).$ref
  if (typeof reference !== 'string') {
    return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, resolved(value, document)]))
  }
  const target = reference
    .replace(/^#\//, '')
    .split('/')
    .reduce<unknown>((at, key) => (at as Body)[key], document)
  if (target === undefined) throw new Error(`${reference} leads nowhere`)
  return resolved(target, document)
}

t.test('the document is OpenAPI 3.1 in form: ids, answers, parameters, references', async (t) => {
  const document = await documentOf(await api(t))
  t.match(document.openapi, /^3\.1\./)
  t.match(document.info, { title: String, version: String })
  t.doesNotThrow(() => resolved(document, document))
  t.same(Object.keys(document.components.schemas).sort(), [
    'Account',
    'Admin',
    'Call',
    'CreatedToken',
    'Group',
    'Problem',
    'Registration',
    'Session',
    'SipEvent',
    'Token',
  ])

  const ids = new Set<string>()
  for (const [path, operations] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const name = `${method} ${path}`
      t.notOk(ids.has(operation.operationId), `${name} has an operationId of its own`)
      ids.add(operation.operationId)
      t.ok(operation.summary && operation.tags.length > 0 && operation.security, name)
      const inPath = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === 'path')
        .map((parameter) => parameter.name)
      t.same(
        inPath,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, parameter]) => parameter),
        name,
      )
      for (const [status, response] of Object.entries(operation.responses)) {
        t.ok(response.description, `${name} ${status}`)
        t.match(status, /^[2345]\d\d$/)
      }
      if (path.startsWith('/api/v1')) {
        const problems = Object.entries(operation.responses).filter(([status]) => status >= '400')
        for (const status of ['401', '403', '500', '503'])
          t.ok(operation.responses[status], `${name} says ${status}`)
        for (const [status, { content }] of problems) {
          t.same(
            content?.['application/problem+json']?.schema,
            { $ref: '#/components/schemas/Problem' },
            `${name} ${status}`,
          )
        }
      }
    }
  }
})

t.test('answers of the server fit the document', async (t) => {
  const server = await api(t)
  const document = await documentOf(server)
  const [admin, operator] = [server.as('admin'), server.as('operator')]
  const group = await aGroup(operator)
  const account = (await operator.post(`/groups/${group}/accounts`, anAccount('111'))).body['id'] as number
  await server.store.registrations.apply([
    {
      accountId: account,
      decide: () => ({ result: null, bindings: [aBinding()] }),
    },
  ])

  const check = (method: string, path: string, answer: Answer) => {
    const response = document.paths[path]?.[method]?.responses[String(answer.status)]
    if (!response) return void t.fail(`${method} ${path} does not tell of ${answer.status}`)
    const schema = response.content?.[String(answer.headers['content-type']).split(';')[0]!]?.schema
    if (answer.text === '') return void t.equal(answer.status, 204)
    if (!schema)
      return void t.fail(
        `${method} ${path} ${answer.status} has no ${String(answer.headers['content-type'])}`,
      )
    const validator = Compile(resolved(schema, document) as TSchema)
    const fits = validator.Check(answer.body)
    t.ok(fits, `${method} ${path} ${answer.status}`, fits ? {} : { errors: validator.Errors(answer.body) })
    // The answer has no more than the document says, either.
    const properties = (resolved(schema, document) as { properties?: object }).properties
    if (properties)
      t.same(
        Object.keys(answer.body).filter((key) => !Object.hasOwn(properties, key)),
        [],
      )
  }

  await server.store.calls.write([{ call: aCall(1) }, { call: aCall(2, { callee: ofNobody, rangAt: null }) }])
  check('get', '/api/v1/calls', await operator.get('/calls'))
  await server.store.sipEvents.write([aSipEvent(), aSipEvent({ type: 'AUTH_FAILED', username: 'nobody' })])
  check('get', '/api/v1/sip-events', await operator.get('/sip-events'))
  for (const list of ['/groups', '/accounts', '/registrations', '/tokens', '/admins'])
    check('get', `/api/v1${list}`, await admin.get(list))
  check('get', '/api/v1/groups/{id}', await operator.get(`/groups/${group}`))
  check('get', '/api/v1/groups/{id}', await operator.get('/groups/999'))
  check('post', '/api/v1/groups', await operator.post('/groups', { name: 'Sales' }))
  check('post', '/api/v1/groups', await operator.post('/groups', { name: 5, x: 1 }))
  check('delete', '/api/v1/groups/{id}', await operator.delete(`/groups/${group}`))
  check(
    'post',
    '/api/v1/groups/{id}/accounts',
    await operator.post(`/groups/${group}/accounts`, anAccount('112')),
  )
  check(
    'post',
    '/api/v1/groups/{id}/accounts',
    await operator.post(`/groups/${group}/accounts`, anAccount('112')),
  )
  check('get', '/api/v1/accounts/{id}', await operator.get(`/accounts/${account}`))
  check('patch', '/api/v1/accounts/{id}', await operator.patch(`/accounts/${account}`, { visible: false }))
  const live = await operator.get(`/accounts/${account}/registrations`)
  t.equal(live.body['total'], 1)
  check('get', '/api/v1/accounts/{id}/registrations', live)
  check('post', '/api/v1/tokens', await admin.post('/tokens', { name: 'a', role: 'auditor' }))
  check('post', '/api/v1/tokens', await operator.post('/tokens', { name: 'a', role: 'auditor' }))
  check(
    'post',
    '/api/v1/admins',
    await admin.post('/admins', { username: 'a', password: 'correct horse', role: 'admin' }),
  )
  check(
    'post',
    '/api/v1/session',
    await server.nobody.post('/session', { username: 'a', password: 'correct horse' }),
  )
  check('get', '/api/v1/session', await admin.get('/session'))
  check('get', '/api/v1/session', await server.nobody.get('/session'))
  check('delete', '/api/v1/accounts/{id}', await operator.delete(`/accounts/${account}`))
  check('get', '/health/ready', await server.send({ url: '/health/ready' }))
  check('get', '/problems/{code}', await server.send({ url: '/problems/not_found' }))
})

const aBinding = () => ({
  contact: 'sip:111@192.0.2.7:5060',
  instance: '<urn:uuid:1>',
  regId: 1,
  q: 1,
  callId: 'abc@phone',
  cseq: 4_000_000_000,
  expiresAt: Date.now() + 3600_000,
  source: '192.0.2.7:5060',
  transport: 'udp' as const,
  receivedOn: null,
  path: ['<sip:edge.example.org;lr>'],
  userAgent: 'test',
  node: 'test',
  createdAt: Date.now(),
})
