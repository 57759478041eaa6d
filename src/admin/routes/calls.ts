import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'
import type { Call, CallFilter } from '../../store/call.js'
import type { Store } from '../../store/types.js'
import { sendCsv, wantsCsv, type CsvColumns, type CsvValue } from '../csv.js'
import { problems } from '../problems.js'
import { callAnswer, CallListQuery, CallSchema, durationSeconds } from '../schemas/call.js'
import { isoTime, isoTimeOrNull, named, pageOf } from '../schemas/common.js'
import { timeOf } from '../schemas/log.js'

const party = (side: 'caller' | 'callee'): Record<string, (call: Call) => CsvValue> => ({
  [`${side}Number`]: (call) => call[side].number,
  [`${side}Name`]: (call) => call[side].name,
  [`${side}Group`]: (call) => call[side].groupName,
  [`${side}Address`]: (call) => call[side].address,
  [`${side}Transport`]: (call) => call[side].transport,
  [`${side}Cipher`]: (call) => call[side].cipher,
  [`${side}UserAgent`]: (call) => call[side].userAgent,
})

const csvColumns: CsvColumns<Call> = {
  id: ({ id }) => id,
  startedAt: ({ startedAt }) => isoTime(startedAt),
  rangAt: ({ rangAt }) => isoTimeOrNull(rangAt),
  answeredAt: ({ answeredAt }) => isoTimeOrNull(answeredAt),
  endedAt: ({ endedAt }) => isoTimeOrNull(endedAt),
  durationSeconds,
  disposition: ({ disposition }) => disposition,
  sipStatus: ({ sipStatus }) => sipStatus,
  sipReason: ({ sipReason }) => sipReason,
  explanation: ({ explanation }) => explanation,
  endedBy: ({ endedBy }) => endedBy,
  securityModel: ({ securityModel }) => securityModel,
  devices: ({ devices }) => devices,
  ...party('caller'),
  ...party('callee'),
  callId: ({ callId }) => callId,
}

export const callRoutes: FastifyPluginAsyncTypebox<{ store: Store }> = async (app, { store }) => {
  app.get(
    '/calls',
    {
      config: { permission: 'directory:read' },
      schema: {
        operationId: 'listCalls',
        summary: 'List the calls, the newest first',
        description:
          'A call is listed as soon as its outcome is known; its end follows when somebody hangs up. As CSV: all that match.',
        tags: ['calls'],
        querystring: CallListQuery,
        response: {
          200: {
            description: 'The calls',
            content: {
              'application/json': { schema: pageOf(named(CallSchema)) },
              'text/csv': { schema: Type.String() },
            },
          },
          ...problems('invalid_input'),
        },
      },
    },
    async (request, reply) => {
      const { limit, after, search, number, account, group, disposition, from, to } = request.query
      const filter: CallFilter & { after?: string | undefined; search?: string | undefined } = {
        ...{ after, search, number, disposition },
        ...{ accountId: account, groupId: group },
        ...{ from: timeOf('from', from), until: timeOf('to', to) },
      }
      if (wantsCsv(request)) return sendCsv(reply, 'calls', csvColumns, store.calls.all(filter))
      const page = await store.calls.list({ ...filter, limit })
      return { ...page, items: page.items.map(callAnswer) }
    },
  )
}
