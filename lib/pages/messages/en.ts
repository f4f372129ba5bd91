/** Which texts do the pages show in English, and in languages that have none of their own? */

/** Texts are plain. Names in braces are replaced, and may be left out. */
export const en = {
  consent: {
    title: 'Allow access to {server}?',
    introduction:
      'An application asks to use {server} on your behalf. Only allow this if you started it ' +
      'yourself.',
    client: 'Who is asking',
    clientName: 'Application',
    quotedName: '“{name}”',
    anyClient: 'this application',
    unverified: 'Unverified name',
    unnamed: 'No name given',
    publisher: 'Published at',
    destination: 'Access goes to',
    appDestination: 'an app that opens {protocol} links',
    scopes: 'What it may do',
    everything: 'Use everything that {server} offers, as you',
    moreScopes: 'More permissions: {count}',
    tools: 'Functions it can use: {count}',
    moreTools: 'Not listed here: {count}',
    reads: 'Only reads',
    changes: 'Makes changes',
    deletes: 'Can delete or overwrite',
    resource: 'This is for {resource}',
    provider: 'If you allow it, you sign in at {provider} next.',
    deny: 'Deny',
    allow: 'Allow'
  },

  warnings: {
    unless: 'Deny this unless you have just started it yourself, on this device.',
    programTitle: 'Access goes to a program on this device.',
    program: 'Any program here can pretend to be {client}.',
    appTitle: 'Access goes to an app on this device.',
    app: 'Any app here can claim {protocol} links and pretend to be {client}.',
    punycodeTitle: 'Look closely at the address.',
    punycode: 'Its xn-- part stands for special letters, which can imitate a name you know.'
  },

  /** Meanings of the scopes that OpenID Connect Core defines (§5.4, §11). */
  scopes: {
    openid: 'Recognise you when you come back',
    profile: 'See your basic profile, such as your name',
    email: 'See your email address',
    offline_access: 'Stay connected while you are away'
  },

  /** Error pages by step of the login, or by cause. */
  errors: {
    authorize: {
      title: 'Sign-in could not start',
      text: 'The application sent a request that this server cannot accept.'
    },
    invalidClient: {
      title: 'This application is not known here',
      text: 'It is not registered with this server, or its registration has expired.'
    },
    document: {
      title: 'The application could not be verified',
      text:
        'This server could not read the description that the application publishes about itself.'
    },
    redirectUri: {
      title: 'The return address is not allowed',
      text:
        'The application wants to receive the access at an address that is not registered for it.'
    },
    invalidScope: {
      title: 'These permissions are not available',
      text: 'The application asks for permissions that it cannot have here.'
    },
    invalidTarget: {
      title: 'This sign-in is for another server',
      text: 'The application asks for access to an address that is not served here.'
    },
    consent: {
      title: 'Sign-in could not continue',
      text: 'Your decision did not reach this server as expected.'
    },
    expiredPage: {
      title: 'This page has expired',
      text: 'For your security, it is valid for a short time only. Nothing was allowed.'
    },
    usedPage: {
      title: 'You have already decided',
      text: 'This page was used before, and the first decision counts.'
    },
    otherBrowser: {
      title: 'This page belongs to another browser',
      text: 'For your security, only the browser that opened the page can answer it.'
    },
    callback: {
      title: 'Sign-in could not be completed',
      text: 'The sign-in service did not return the expected response.'
    },
    expiredLogin: {
      title: 'This sign-in has expired',
      text: 'It took too long, or it was not started here.'
    },
    endedLogin: {
      title: 'This sign-in has ended',
      text: 'It was completed or cancelled, or it was started in another browser.'
    },
    completed: {
      title: 'Sign-in is complete',
      text: 'You have already signed in on this page.'
    },
    tooManyRequests: {
      title: 'Too many attempts',
      text: 'This server received too many requests in a short time.'
    },
    unavailable: {
      title: 'Sign-in is not possible at the moment',
      text: 'This server or the sign-in service is not available.'
    },
    broken: {
      title: 'Sign-in failed on the server',
      text: 'Something went wrong here. It is not your fault.'
    }
  },

  /** Next steps: by cause, or to start again. */
  advice: {
    completed: 'You can close this window and go back to the application.',
    usedPage: 'You can close this window and go back to the application.',
    tooManyRequests: 'Wait a moment, then reload this page.',
    unavailable: 'Wait a moment, then reload this page.',
    broken:
      'Reload this page later, or give the reference below to the operator of this server. The ' +
      'reason is in its log.',
    document:
      'The reason is in the log of this server. Its operator can allow requests to the host of the ' +
      'application, or set the option clientIdMetadata to false.',
    restart: 'Close this window and start again from the application that opened it. ' +
      'If it happens again, remove the connection there and add it again.'
  },

  errorPage: {
    back: 'You can go back to the application at {host}. Only follow this link if you know ' +
      'this address.',
    backLink: 'Back to {host}',
    code: 'Error: {code}',
    reference: 'Reference: {reference}'
  },

  connected: {
    title: 'Connected applications',
    none: 'No application has access to your account.',
    client: 'Application',
    since: 'Connected since {date}',
    lastUsed: 'Last used on {date}',
    from: 'Access goes to {host}',
    scopes: 'What it may do',
    revoke: 'Remove access',
    revokeConfirm: 'Remove the access of {client}? It will have to ask you again.',
    revoked: 'The access of {client} was removed.'
  }
}

type Texts = typeof en

/** The texts of all pages in one language. Meanings may be given for any scope. */
export interface Messages extends Omit<Texts, 'scopes'> {
  scopes: Record<string, string>
}

/** A page about an error: a step of the login, or a cause. */
export type ErrorPageName = keyof Messages['errors']

/** Texts that replace those of a language. */
export type PartialMessages = Replaced<Messages>
type Replaced<Value> = Value extends string ? string
  : { [Name in keyof Value]?: Replaced<Value[Name]> }
