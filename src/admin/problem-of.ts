/** Which problem an error stands for. Pure; what is sent and logged of it is plugins/errors.ts. */
import { StoreError, type StoreErrorCode } from '../store/errors.js'
import { isDatabaseAway } from '../store/database-away.js'
import { invalidInput, notFound, Problem } from './problems.js'

/** Fastify's own errors that mean something to a client. */
const FASTIFY_ERRORS: Readonly<Record<string, () => Problem>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    new Problem('unsupported_media_type', 'Send the body as JSON, with Content-Type: application/json.'),
  FST_ERR_CTP_BODY_TOO_LARGE: () => new Problem('body_too_large', 'The body has more than 1 MB.'),
  FST_ERR_CTP_INVALID_JSON_BODY: () => new Problem('invalid_json', 'The body is not valid JSON.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new Problem('invalid_json', 'A JSON body is needed, and there is none.'),
  FST_ERR_MAX_PARAM_LENGTH: () => notFound('resource'),
}

/** The fields that duplicates are about. */
const STORE_FIELDS: Partial<Record<StoreErrorCode, string>> = {
  username_taken: 'username',
  number_taken: 'virtualNumber',
  group_name_taken: 'name',
  admin_name_taken: 'username',
  token_name_taken: 'name',
}

/** @param requestId shown with an internal error, so that the log can be searched for it */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error
  if (error instanceof StoreError) return storeProblem(error)
  if (isDatabaseAway(error)) {
    return new Problem(
      'database_unavailable',
      'The database can not be reached, or does not answer. If this was a change, look whether it was made.',
      {
        headers: { 'retry-after': '5' },
      },
    )
  }
  const { code, statusCode } = (error ?? {}) as { code?: string; statusCode?: number }
  const known = code === undefined ? undefined : FASTIFY_ERRORS[code]
  if (known) return known()
  if (error instanceof SyntaxError && statusCode === 400)
    return new Problem('invalid_json', 'The body is not valid JSON.')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new Problem('bad_request', 'The request is not well-formed.')
  }
  return new Problem(
    'internal_error',
    `Something went wrong. The log tells more under the request id ${requestId}.`,
  )
}

function storeProblem(error: StoreError): Problem {
  switch (error.code) {
    case 'group_not_found':
      return notFound('group')
    case 'invalid_cursor':
      return invalidInput([{ field: 'after', message: 'is not the `next` of a page of this list' }])
    case 'group_not_empty': {
      const { count } = error.details
      return new Problem(
        'group_not_empty',
        `The group still has ${count ?? 'some'} account${count === 1 ? '' : 's'}.`,
        {
          ...(count === undefined ? {} : { count }),
        },
      )
    }
    default: {
      const field = STORE_FIELDS[error.code]
      return new Problem(
        error.code,
        error.message,
        field ? { errors: [{ field, message: error.message }] } : {},
      )
    }
  }
}
