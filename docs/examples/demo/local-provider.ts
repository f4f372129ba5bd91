// A provider for an app on this machine. Its argument is the redirect URI of the app.
import { startProvider, users } from './provider.ts'

const redirectUri = process.argv[2] ?? 'http://localhost:3000/oauth/callback'
const clientSecret = 'anything'

const { issuer } = await startProvider({
  port: 3001,
  registration: false,
  clients: [{
    client_id: 'your-client-id',
    client_secret: clientSecret,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code']
  }]
})

console.log(`issuer:         ${issuer}
clientId:       your-client-id
CLIENT_SECRET:  ${clientSecret}
redirect URI:   ${redirectUri}
users:          ${users.join(', ')}; there are no passwords. Ctrl+C ends it.`)
