/** Which texts do the pages show? */
import { html } from 'ghtml'

const unless = 'Deny this unless you have just started it yourself, on this device.'

/**
 * The texts of all pages, so far in English only. Strings and titles are plain text. Functions
 * return HTML and escape their arguments. The sentences of errors stand in the error table.
 */
export const messages = {
  language: 'en',

  consent: {
    title: (server: string) => `Allow access to ${server}?`,
    introduction:
      'An application asks to use it on your behalf. Only allow this if you started it yourself.',
    client: 'Who is asking',
    clientName: 'Application',
    anyClient: 'this application',
    unverified: 'Unverified name',
    unnamed: 'No name given',
    publisher: 'Published at',
    destination: 'Access goes to',
    appDestination: (protocol: string) => html`an app that opens ${protocol} links`,
    scopes: 'What it may do',
    noScopes: (server: string) => html`Use ${server} as you, without further permissions`,
    resource: (url: string) => html`This is for <code>${url}</code>`,
    provider: (host: string) =>
      html`If you allow it, you sign in at <strong>${host}</strong> next.`,
    deny: 'Deny',
    allow: 'Allow'
  },

  warnings: {
    program: (client: string) =>
      html`<strong>Access goes to a program on this device.</strong>
Any program here can pretend to be ${client}. ${unless}`,
    app: (client: string, protocol: string) =>
      html`<strong>Access goes to an app on this device.</strong>
Any app here can claim <code>${protocol}</code> links and pretend to be ${client}. ${unless}`,
    punycode: () =>
      html`<strong>Look closely at the address.</strong>
Its xn-- part stands for special letters, which can imitate a name you know.`
  },

  /** Meanings of the scopes that OpenID Connect Core defines (§5.4, §11). */
  scopes: {
    openid: 'Recognise you when you come back',
    profile: 'See your basic profile, such as your name',
    email: 'See your email address',
    offline_access: 'Stay connected while you are away'
  },

  /** Titles of error pages, by the endpoint that responds or by the cause. */
  errors: {
    authorize: 'Sign-in could not start',
    document: 'Sign-in could not start',
    consent: 'Sign-in could not continue',
    callback: 'Sign-in could not be completed',
    completed: 'Sign-in is complete',
    unavailable: 'Sign-in is not possible at the moment',
    broken: 'Sign-in failed on the server'
  },
  /** Next steps by cause, where it is not to start again. */
  advice: {
    completed: 'You can close this window and go back to the application.',
    unavailable: 'Wait a moment, then reload this page.',
    broken: 'Reload this page later, or tell the operator of this server. Its log has the reason.',
    document: 'The log of this server has the reason. Its operator can allow requests to that ' +
      'host, or set the option clientIdMetadata to false.'
  },
  restart: 'Close this window and start again from the application that opened it. ' +
    'If it happens again, remove the connection there and add it anew.',
  back: (host: string) =>
    html`You can go back to the application at <strong>${host}</strong>.
Only follow this link if you know it.`,
  backLink: (host: string) => html`Back to ${host}`,
  code: (error: string) => html`Error: <code>${error}</code>`
}
