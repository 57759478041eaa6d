/**
 * Checks bodies, queries and path parameters against their TypeBox schemas, field by field, so that every wrong field is
 * named once and in plain words. Schemas of bodies and queries are flat objects, which is all this API has.
 *
 * A schema may carry `x-rule`: the sentence that is shown when `pattern` or `format` does not fit.
 */
import type { FastifySchemaCompiler } from 'fastify'
import { Compile } from 'typebox/compile'
import type { TSchema } from 'typebox'
import { invalidInput, notFound, type FieldError } from './problems.js'
import { isWellFormed } from './text.js'

/** The keywords of JSON Schema that the schemas of this API use for one field. */
interface FieldSchema {
  type?: string | string[]
  enum?: unknown[]
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
  items?: FieldSchema
  default?: unknown
  writeOnly?: boolean
  'x-rule'?: string
}

interface ObjectSchema {
  properties?: Record<string, FieldSchema>
  required?: string[]
}

type Values = Record<string, unknown>

/** Most errors in one answer: a hostile body must not make a large one. */
const MAX_ERRORS = 50

/** Fastify's validator compiler: body, query string and path parameters each have their own way in. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const check = objectChecker(schema)
  const properties = (schema as ObjectSchema).properties ?? {}
  return (data: unknown) => {
    if (httpPart === 'body') {
      if (!isObject(data))
        return { error: invalidInput([{ field: 'body', message: 'must be a JSON object' }]) }
      return outcome(tidied(properties, data), check)
    }
    const values = converted(properties, isObject(data) ? data : {})
    if (httpPart !== 'params') return outcome(values, check)
    // An id that is no number can not be the id of anything, so the answer is that of an unknown one.
    return check(values).length > 0 ? { error: notFound('resource') } : { value: values }
  }
}

function outcome(values: Values, check: (values: Values) => FieldError[]) {
  const errors = check(values)
  return errors.length > 0 ? { error: invalidInput(errors) } : { value: values }
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Texts without the white space around them; an empty text of a field that can be cleared clears it. Secrets stay as they are, and so do line separators alone, for the check to refuse. */
function tidied(properties: Record<string, FieldSchema>, body: Values): Values {
  return Object.fromEntries(
    Object.entries(body).map(([name, value]) => {
      const schema = ownSchema(properties, name)
      if (typeof value !== 'string' || schema?.writeOnly) return [name, value]
      const text = value.trim()
      if (text === '' && /[\u2028\u2029]/.test(value)) return [name, value]
      return [name, text === '' && schema?.type?.includes('null') ? null : text]
    }),
  )
}

/** What a URL gives as text, as the number or boolean it stands for; anything doubtful is left for the check to refuse. */
function converted(properties: Record<string, FieldSchema>, given: Values): Values {
  const values = Object.create(null) as Values
  for (const [name, schema] of Object.entries(properties)) {
    if (schema.default !== undefined) values[name] = schema.default
  }
  for (const [name, value] of Object.entries(given)) {
    const type = ownSchema(properties, name)?.type
    // One text for each number: `01` is no second address of what `1` names.
    if (type === 'integer' && typeof value === 'string' && /^(0|[1-9]\d{0,14})$/.test(value))
      values[name] = Number(value)
    else if (type === 'boolean' && (value === 'true' || value === 'false')) values[name] = value === 'true'
    else values[name] = value
  }
  return values
}

function objectChecker(schema: ObjectSchema): (values: Values) => FieldError[] {
  const properties = schema.properties ?? {}
  const fields = new Map(Object.entries(properties).map(([name, field]) => [name, fieldChecker(field)]))
  return (values) => {
    const errors: FieldError[] = []
    for (const name of schema.required ?? []) {
      if (values[name] === undefined) errors.push({ field: name, message: 'is missing' })
    }
    for (const [name, value] of Object.entries(values)) {
      if (errors.length >= MAX_ERRORS) break
      const check = fields.get(name)
      if (!check) errors.push({ field: name.slice(0, 100), message: 'is not a known field' })
      else if (value !== undefined) errors.push(...check(name, value))
    }
    return errors.slice(0, MAX_ERRORS)
  }
}

function fieldChecker(schema: FieldSchema): (field: string, value: unknown) => FieldError[] {
  const compiled = Compile(schema as TSchema)
  const item = schema.items ? fieldChecker(schema.items) : undefined
  return (field, value) => {
    const tooMuch = excess(schema, value)
    if (tooMuch) return [{ field, message: tooMuch }]
    if (typeof value === 'string' && !isWellFormed(value))
      return [{ field, message: 'must be valid Unicode: it has half of a surrogate pair' }]
    if (item && Array.isArray(value)) {
      return value.flatMap((entry: unknown, index) => item(`${field}[${index}]`, entry))
    }
    return compiled.Check(value) ? [] : [{ field, message: messageFor(schema, value) }]
  }
}

/**
 * Size comes first and on its own: the checks after it may then look at the whole value. Characters are counted as code
 * points, as PostgreSQL does; TypeBox counts what a reader sees as one character, of which a column may hold fewer.
 */
function excess(schema: FieldSchema, value: unknown): string | undefined {
  const { maxLength, maxItems } = schema
  if (typeof value === 'string' && maxLength !== undefined && value.length > maxLength) {
    if (value.length > 2 * maxLength || [...value].length > maxLength)
      return `must have at most ${maxLength} characters`
  }
  if (Array.isArray(value) && maxItems !== undefined && value.length > maxItems)
    return `must have at most ${maxItems} entries`
  return undefined
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a text',
  integer: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  null: 'null',
}

function messageFor(schema: FieldSchema, value: unknown): string {
  if (schema.enum) return `must be one of: ${schema.enum.join(', ')}`
  const types = [schema.type ?? []].flat()
  if (!types.some((type) => hasType(type, value))) {
    return `must be ${types.map((type) => TYPE_NAMES[type] ?? type).join(' or ')}`
  }
  if (typeof value === 'number') {
    if (schema.minimum !== undefined && value < schema.minimum) return `must be at least ${schema.minimum}`
    if (schema.maximum !== undefined && value > schema.maximum) return `must be at most ${schema.maximum}`
  }
  if (typeof value === 'string' && schema.minLength !== undefined && value.length < schema.minLength) {
    return value === '' ? 'must not be empty' : `must have at least ${schema.minLength} characters`
  }
  return schema['x-rule'] ?? 'is not valid'
}

function hasType(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null
    case 'array':
      return Array.isArray(value)
    case 'integer':
      return Number.isInteger(value)
    default:
      return typeof value === type
  }
}

function ownSchema(properties: Record<string, FieldSchema>, name: string): FieldSchema | undefined {
  return Object.hasOwn(properties, name) ? properties[name] : undefined
}
