/** The smallest PNG of one red pixel, and one sample of silence. */
export const image = {
  type: 'image',
  mimeType: 'image/png',
  data:
    'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC'
} as const
const audio = {
  type: 'audio',
  mimeType: 'audio/wav',
  data: 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA=='
} as const

/** Text content. */
export function text (text: string) {
  return { type: 'text', text } as const
}

/** A resource as content. */
export function embedded (uri: string, mimeType: string, text: string) {
  return { type: 'resource', resource: { uri, mimeType, text } } as const
}

type Content = ReturnType<typeof text> | ReturnType<typeof embedded> | typeof image | typeof audio

/** Tools with constant results, of both servers: name, description, content. */
export const tools: ReadonlyArray<
  readonly [name: string, description: string, content: Content[]]
> = [
  ['test_simple_text', 'Says a sentence', [text('This is a simple text response for testing.')]],
  ['test_image_content', 'Shows a pixel', [image]],
  ['test_audio_content', 'Plays a moment of silence', [audio]],
  ['test_embedded_resource', 'Hands out a resource', [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')
  ]],
  ['test_multiple_content_types', 'Says, shows and hands out', [
    text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')
  ]]
]

/** The error of the tool that always fails. */
export const failure = new Error('This tool intentionally returns an error for testing')
