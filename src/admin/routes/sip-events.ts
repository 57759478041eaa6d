import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { SipEvent } from '../../store/sip-event.js'
import type { Store } from '../../store/types.js'
import { sendCsv, wantsCsv, type CsvColumns } from '../csv.js'
import { problems } from '../problems.js'
import { isoTime, named, pageOf } from '../schemas/common.js'
import { timeOf } from '../schemas/log.js'
import { sipEventAnswer, SipEventListQuery, SipEventSchema } from '../schemas/sip-event.js'

const csvColumns: CsvColumns<SipEvent> = {
  id: ({ id }) => id,
  at: ({ at }) => isoTime(at),
  type: ({ type }) => type,
  username: ({ username }) => username,
  number: ({ number }) => number,
  group: ({ groupName }) => groupName,
  address: ({ address }) => address,
  transport: ({ transport }) => transport,
  cipher: ({ cipher }) => cipher,
  contact: ({ contact }) => contact,
  userAgent: ({ userAgent }) => userAgent,
  reason: ({ reason }) => reason,
  count: ({ count }) => count,
}

export const sipEventRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.get(
    '/sip-events',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listSipEvents',
        summary: 'List what devices did beside calling, the newest first',
        description:
          'Connections, registrations and failed sign-ins. Refreshes of a registration are not listed. As CSV: all that match.',
        tags: ['sip-events'],
        querystring: SipEventListQuery,
        response: {
          200: {
            description: 'The events',
            content: {
              'application/json': { schema: pageOf(named(SipEventSchema)) },
              'text/csv': { schema: Type.String() },
            },
          },
          ...problems('invalid_input'),
        },
      },
    },
    async (request, reply) => {
      const { limit, after, search, type, account, group, from, to } = request.query
      const filter = {
        ...{ after, search, type },
        ...{ accountId: account, groupId: group },
        ...{ from: timeOf('from', from), until: timeOf('to', to) },
      }
      if (wantsCsv(request)) return sendCsv(reply, 'sip-events', csvColumns, store.sipEvents.all(filter))
      const page = await store.sipEvents.list({ ...filter, limit })
      return { ...page, items: page.items.map(sipEventAnswer) }
    },
  )
}
