import { image } from './tools.ts'

/** Resources of both servers. */
export const resources = [
  {
    name: 'static-text',
    uri: 'test://static-text',
    mimeType: 'text/plain',
    description: 'A text that stays as it is',
    text: 'This is the content of the static text resource.'
  },
  {
    name: 'static-binary',
    uri: 'test://static-binary',
    mimeType: 'image/png',
    description: 'A picture that stays as it is',
    blob: image.data
  },
  {
    name: 'watched-resource',
    uri: 'test://watched-resource',
    mimeType: 'text/plain',
    description: 'A text one may subscribe to',
    text: 'Nothing has happened yet.'
  }
] as const

/** The resource template of both servers. */
export const template = {
  name: 'template',
  uri: 'test://template/{id}/data',
  mimeType: 'application/json',
  description: 'Data for any id'
} as const

/** The contents at a URI of the template. */
export function templateContents ({ href: uri }: URL, id: string | string[] | undefined) {
  return {
    contents: [{
      uri,
      mimeType: template.mimeType,
      text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    }]
  }
}
