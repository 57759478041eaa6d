/**
 * The one list of errors the API can answer with (RFC 9457 problem details). docs/api.md has the same list for people;
 * a test compares the two. A code never changes its meaning, and its `type` is a page this server serves.
 */
import { Type, type Static, type TSchema } from 'typebox'

interface ProblemKind {
  status: number
  title: string
  /** When it is answered, and what to do. */
  meaning: string
}

export const PROBLEMS = {
  invalid_input: {
    status: 400,
    title: 'Some fields are not valid',
    meaning:
      '`errors` names every wrong field of the body or the query, with a message a person understands.',
  },
  invalid_json: {
    status: 400,
    title: 'The body is not valid JSON',
    meaning: 'The body is empty where one is needed, or can not be parsed.',
  },
  bad_request: {
    status: 400,
    title: 'The request can not be understood',
    meaning: 'The request is not well-formed HTTP: its path or its Content-Length makes no sense.',
  },
  unauthenticated: {
    status: 401,
    title: 'Sign in first',
    meaning:
      'No token or session, one that is unknown or expired, or a wrong username or password at sign-in.',
  },
  forbidden: {
    status: 403,
    title: 'Your role does not allow this',
    meaning: 'You are known, but another role is needed.',
  },
  csrf_failed: {
    status: 403,
    title: 'The CSRF header is missing or wrong',
    meaning:
      'A change made with the session cookie needs the header `x-csrf-token` with the `csrfToken` of the session.',
  },
  not_found: {
    status: 404,
    title: 'There is nothing here',
    meaning: 'No such path, or no such group, account, registration, token or administrator.',
  },
  method_not_allowed: {
    status: 405,
    title: 'This method is not available here',
    meaning: 'The path exists; the header `Allow` lists the methods it has.',
  },
  group_not_empty: {
    status: 409,
    title: 'The group still has accounts',
    meaning: '`count` says how many. `?cascade=true` deletes them with the group.',
  },
  group_name_taken: { status: 409, title: 'A group has this name already', meaning: 'Choose another name.' },
  username_taken: {
    status: 409,
    title: 'An account has this username already',
    meaning: 'Choose another, or leave it out: then a free one is chosen.',
  },
  number_taken: {
    status: 409,
    title: 'An account has this virtual number already',
    meaning: 'Choose another number.',
  },
  admin_name_taken: {
    status: 409,
    title: 'An administrator has this username already',
    meaning: 'Choose another username.',
  },
  token_name_taken: { status: 409, title: 'A token has this name already', meaning: 'Choose another name.' },
  last_admin: {
    status: 409,
    title: 'This is the last administrator',
    meaning: 'One enabled administrator of role `admin` must be left. Create or enable another first.',
  },
  body_too_large: { status: 413, title: 'The body is too large', meaning: 'A body can have 1 MB.' },
  unsupported_media_type: {
    status: 415,
    title: 'The body must be JSON',
    meaning: 'Send `Content-Type: application/json`.',
  },
  too_many_attempts: {
    status: 429,
    title: 'Too many attempts',
    meaning: 'Too many sign-ins failed. The header `Retry-After` says after how many seconds to try again.',
  },
  internal_error: {
    status: 500,
    title: 'Something went wrong on our side',
    meaning: '`detail` has the id of the request; the log tells more under it.',
  },
  database_unavailable: {
    status: 503,
    title: 'The database can not be reached',
    meaning:
      'It is away or does not answer. Try again after `Retry-After` seconds; a change may have been made, so look first.',
  },
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof PROBLEMS

export interface FieldError {
  field: string
  message: string
}

/** The stable address of a kind of problem, relative to the server. */
export const problemType = (code: ProblemCode) => `/problems/${code}`

export const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'A page that explains this kind of problem' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What went wrong this time, for a person' }),
    code: Type.Enum(Object.keys(PROBLEMS) as ProblemCode[], { description: 'For programs; see docs/api.md' }),
    errors: Type.Array(Type.Object({ field: Type.String(), message: Type.String() }), {
      description: 'The fields that are wrong; empty if no field is to blame',
    }),
    count: Type.Optional(Type.Integer({ description: 'With `group_not_empty`: accounts in the group' })),
  },
  { $id: 'Problem', description: 'Problem details, RFC 9457' },
)

interface ProblemExtras {
  errors?: readonly FieldError[]
  count?: number
  headers?: Readonly<Record<string, string>>
}

/** An answer other than success. Thrown anywhere below a route; plugins/errors.ts sends it. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly problem: ProblemCode
  readonly extras: ProblemExtras

  constructor(problem: ProblemCode, detail: string, extras: ProblemExtras = {}) {
    super(detail)
    this.problem = problem
    this.extras = extras
  }

  get status(): number {
    return PROBLEMS[this.problem].status
  }

  toJSON(): Static<typeof ProblemSchema> {
    const { status, title } = PROBLEMS[this.problem]
    return {
      type: problemType(this.problem),
      title,
      status,
      detail: this.message,
      code: this.problem,
      errors: [...(this.extras.errors ?? [])],
      ...(this.extras.count === undefined ? {} : { count: this.extras.count }),
    }
  }
}

/** Bad input, every wrong field named. `errors` has at least one entry. */
export function invalidInput(errors: readonly FieldError[]): Problem {
  const fields = errors.map((error) => error.field).join(', ')
  return new Problem('invalid_input', `Not valid: ${fields}.`, { errors })
}

export const notFound = (what: string) => new Problem('not_found', `There is no such ${what}.`)

/** What every route under /api/v1 can answer. */
const ALWAYS: readonly ProblemCode[] = [
  'unauthenticated',
  'forbidden',
  'csrf_failed',
  'internal_error',
  'database_unavailable',
]
/** What a route with a body can answer beside that. */
export const BODY_PROBLEMS: readonly ProblemCode[] = [
  'invalid_input',
  'invalid_json',
  'bad_request',
  'body_too_large',
  'unsupported_media_type',
]

/** The answer schemas of a route for the problems it can have, by status: `response: { 200: …, ...problems('not_found') }`. */
export function problems(...codes: ProblemCode[]): Record<number, TSchema> {
  return problemAnswers([...ALWAYS, ...codes])
}

/** The same for a route outside /api/v1, which has none of the usual ones. */
export function problemAnswers(codes: readonly ProblemCode[]): Record<number, TSchema> {
  const byStatus = new Map<number, Set<ProblemCode>>()
  for (const code of codes) {
    const { status } = PROBLEMS[code]
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code))
  }
  return Object.fromEntries(
    [...byStatus].map(([status, names]) => [
      status,
      {
        description: [...names].map((code) => `\`${code}\`: ${PROBLEMS[code].title}`).join('. '),
        content: { 'application/problem+json': { schema: Type.Ref('Problem') } },
      },
    ]),
  )
}
