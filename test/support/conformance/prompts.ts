import { completable } from '@modelcontextprotocol/sdk/server/completable.js'
import { z } from 'zod'
import { embedded, image, text } from './tools.ts'

interface Prompt {
  name: string
  description: string
  argsSchema?: z.ZodObject<Record<string, z.ZodString>>
  messages: (args: Record<string, string>) => Array<ReturnType<typeof user>>
}

/** A message of the user. */
export function user<
  Content extends ReturnType<typeof text> | ReturnType<typeof embedded> | typeof image
> (content: Content) {
  return { role: 'user', content } as const
}

/** Prompts of both servers. */
export const prompts: readonly Prompt[] = [
  {
    name: 'test_simple_prompt',
    description: 'A sentence',
    messages: () => [user(text('This is a simple prompt for testing.'))]
  },
  {
    name: 'test_prompt_with_arguments',
    description: 'A sentence with two given words',
    argsSchema: z.object({
      // Each SDK recognizes the other's mark of completable arguments.
      arg1: completable(
        z.string(),
        (start) => ['test', 'testValue1'].filter(value => value.startsWith(start))
      ),
      arg2: z.string()
    }),
    messages: (
      { arg1, arg2 }
    ) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))]
  },
  {
    name: 'test_prompt_with_embedded_resource',
    description: 'A resource, and a task with it',
    argsSchema: z.object({ resourceUri: z.string() }),
    messages: ({ resourceUri = '' }) => [
      user(embedded(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
      user(text('Please process the embedded resource above.'))
    ]
  },
  {
    name: 'test_prompt_with_image',
    description: 'A picture, and a task with it',
    messages: () => [user(image), user(text('Please analyze the image above.'))]
  }
]
