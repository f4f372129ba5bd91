/** How are schemas built with the types of TypeBox, without loading it when an app starts? */
import type { JavaScriptTypeBuilder, TSchema } from '@sinclair/typebox'

// The symbols of TypeBox: its checks, compilers and type providers accept our schemas.
const kind = Symbol.for('TypeBox.Kind')
const optional = Symbol.for('TypeBox.Optional')

type Options = object | undefined

function typed (name: string, members: object, options: Options) {
  return { ...options, [kind]: name, ...members }
}

const primitive = (name: string) => (options: Options) =>
  typed(name, { type: name.toLowerCase() }, options)

/** Builds the schemas that the builder of TypeBox with the same name does. */
export const Type = {
  Boolean: primitive('Boolean'),
  Integer: primitive('Integer'),
  String: primitive('String'),
  Unknown: (options: Options) => typed('Unknown', {}, options),
  Literal: (value: unknown, options: Options) =>
    typed('Literal', { const: value, type: typeof value }, options),
  Function: (parameters: TSchema[], returns: TSchema, options: Options) =>
    typed('Function', { type: 'Function', parameters, returns }, options),
  Union: (anyOf: TSchema[], options: Options) => typed('Union', { anyOf }, options),
  Array: (items: TSchema, options: Options) => typed('Array', { type: 'array', items }, options),
  Object (properties: Record<string, TSchema>, options: Options) {
    const required = Object.keys(properties).filter(name => !(optional in (properties[name] ?? {})))
    const members = required.length > 0 ? { required, properties } : { properties }
    return typed('Object', { type: 'object', ...members }, options)
  },
  Record: (_names: TSchema, values: TSchema, options: Options) =>
    typed('Record', { type: 'object', patternProperties: { '^(.*)$': values } }, options),
  Optional: (schema: TSchema) => ({ ...schema, [optional]: 'Optional' }),
  Unsafe: (schema: TSchema) => ({ ...schema, [kind]: schema[kind as never] ?? 'Unsafe' })
} as unknown as Pick<
  JavaScriptTypeBuilder,
  | 'Array'
  | 'Boolean'
  | 'Function'
  | 'Integer'
  | 'Literal'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'
  | 'Unknown'
  | 'Unsafe'
>
