/** How does an event reach the log, `node:diagnostics_channel` and the option `onEvent`? */
import { channel } from 'node:diagnostics_channel'
import type { FastifyRequest } from 'fastify'
import { quoted, type McpOAuthError } from '../errors.ts'
import {
  eventLines,
  type EventClient,
  type EventContext,
  type EventDetails,
  type EventType,
  type McpOAuthEvent
} from '../events/table.ts'
import type { Log } from '../types.ts'
import { isPlainObject } from '../util/json.ts'
import { loggedErrors, safeLogger } from './replies.ts'

/** The members of an event that its caller gives: its own, and some of its context. */
type Details<Type extends EventType> =
  & EventDetails[Type]
  & Pick<EventContext, 'subject' | 'client' | 'grant' | 'scopes'>

/**
 * Tells of an event of one request, or of none.
 *
 * @param error what the request is refused with: the line of the event is its line, too
 */
export type Report = <Type extends EventType>(
  type: Type,
  details: Details<Type>,
  error?: McpOAuthError
) => void

/** The events of one registration. */
export type Events = ReturnType<typeof createEvents>

// A channel lives as long as it is referenced.
const channels = Object.fromEntries(
  Object.keys(eventLines).map(type => [type, channel(`fastify-mcp-oauth:${type}`)])
) as Record<EventType, ReturnType<typeof channel>>

/** Creates the events of a registration. Nothing that a subscriber does fails a request. */
export function createEvents (
  { prefix, onEvent, redact }: {
    prefix: string
    onEvent: ((event: McpOAuthEvent) => unknown) | null
    redact: ReadonlyArray<'subject' | 'address'>
  },
  log: Log
) {
  let failed = false
  const isHidden = (member: 'subject' | 'address') => redact.includes(member)

  function reportFailure (err: unknown) {
    if (!failed) log.warn({ err }, 'Option onEvent failed: its events are lost. Catch its errors')
    failed = true
  }

  function publish (event: McpOAuthEvent) {
    channels[event.type].publish(event)
    try {
      const result = onEvent?.(event)
      Promise.resolve(result).catch(reportFailure)
    } catch (error) {
      reportFailure(error)
    }
  }

  const addressOf = (request: FastifyRequest) => isHidden('address') ? undefined : request.ip

  return {
    /** `request.ip`, unless the option `redact` leaves it out. */
    addressOf,

    /** Whether anybody gets events of a type, beside the log: if not, spare the work. */
    isWatched: (type: EventType) => onEvent !== null || channels[type].hasSubscribers,

    /** Returns how a request tells of its events; null for what no request caused. */
    of (request: FastifyRequest | null): Report {
      const requestLog = request ? safeLogger(request.log) : log
      // Now: a request whose client has disconnected has none.
      const address = request === null ? undefined : addressOf(request)
      return (type, { subject, ...details }, error) => {
        const isSubject = subject !== undefined && !isHidden('subject')
        const isFilter = isHidden('subject') && Object(details).filter?.subject !== undefined
        const isActor = isHidden('subject') && 'actor' in details
        const shown = {
          ...details,
          ...(isSubject && { subject }),
          ...(isFilter && { filter: {} }),
          ...(isActor && { actor: undefined })
        }
        const line = eventLines[type]
        if (line !== null && !(error && loggedErrors.has(error))) {
          const { client, ...members } = shown
          const code = error && { code: error.code }
          const named = client && { client: clientInLog(client) }
          const sender = line[0] === 'warn' && address !== undefined && { address }
          requestLog[line[0]]({ event: type, ...code, ...members, ...named, ...sender }, line[1])
          if (error) loggedErrors.add(error)
        }
        if (onEvent === null && !channels[type].hasSubscribers) return
        publish(Object.freeze({
          type,
          time: Date.now(),
          prefix,
          ...(request && { requestId: request.id }),
          ...(address !== undefined && { address }),
          ...frozenCopies(shown)
        }) as McpOAuthEvent)
      }
    }
  }
}

/** The id of a registered client is its metadata, sealed: its first characters tell it apart. */
const clientInLog = ({ id, name }: EventClient) =>
  [name, id].filter(value => value !== null).map(value => quoted(value)).join(' ')

/** Subscribers get copies: guards and pages go on with the originals. */
function frozenCopies (members: object) {
  const copyOf = (value: unknown) =>
    Array.isArray(value)
      ? Object.freeze([...value])
      : isPlainObject(value)
      ? Object.freeze({ ...value })
      : value
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, copyOf(value)]))
}
