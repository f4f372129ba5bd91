import { headlessLogin } from '../../docs/examples/demo/browser.ts'

// The browser of clients that open one and listen for its callback: `browse.ts <url>`.

export async function logIn (authorizationUrl: string | URL): Promise<void> {
  const stopAt = new URL(authorizationUrl).searchParams.get('redirect_uri') ?? ''
  const { url } = await headlessLogin(authorizationUrl, { stopAt })
  await fetch(url)
}

if (process.argv[1] === import.meta.filename) await logIn(process.argv[2] ?? '')
