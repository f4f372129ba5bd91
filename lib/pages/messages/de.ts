/** Which texts do the pages show in German? */
import type { Messages } from './en.ts'

export const de: Messages = {
  consent: {
    title: 'Zugriff auf {server} erlauben?',
    introduction:
      'Eine Anwendung möchte {server} in Ihrem Namen nutzen. Erlauben Sie das nur, wenn Sie es ' +
      'selbst veranlasst haben.',
    client: 'Wer Zugriff möchte',
    clientName: 'Anwendung',
    quotedName: '„{name}“',
    anyClient: 'diese Anwendung',
    unverified: 'Name nicht geprüft',
    unnamed: 'Ohne Namen',
    publisher: 'Veröffentlicht unter',
    destination: 'Der Zugriff geht an',
    appDestination: 'eine App, die Links mit {protocol} öffnet',
    scopes: 'Was sie tun darf',
    everything: 'Alles, was {server} anbietet, in Ihrem Namen nutzen',
    moreScopes: 'Weitere Berechtigungen: {count}',
    tools: 'Funktionen, die sie nutzen kann: {count}',
    moreTools: 'Hier nicht aufgeführt: {count}',
    reads: 'Liest nur',
    changes: 'Ändert Daten',
    deletes: 'Kann löschen oder überschreiben',
    resource: 'Dies gilt für {resource}',
    provider: 'Wenn Sie es erlauben, melden Sie sich als Nächstes bei {provider} an.',
    deny: 'Ablehnen',
    allow: 'Erlauben'
  },
  warnings: {
    unless: 'Lehnen Sie ab, wenn Sie das nicht gerade selbst auf diesem Gerät gestartet haben.',
    programTitle: 'Der Zugriff geht an ein Programm auf diesem Gerät.',
    program: 'Jedes Programm auf diesem Gerät kann sich als {client} ausgeben.',
    appTitle: 'Der Zugriff geht an eine App auf diesem Gerät.',
    app:
      'Jede App auf diesem Gerät kann Links mit {protocol} öffnen und sich als {client} ausgeben.',
    punycodeTitle: 'Sehen Sie sich die Adresse genau an.',
    punycode:
      'Der Teil mit xn-- steht für besondere Zeichen. Damit lässt sich ein bekannter Name nachahmen.'
  },
  scopes: {
    openid: 'Sie wiedererkennen',
    profile: 'Ihr Profil sehen, zum Beispiel Ihren Namen',
    email: 'Ihre E-Mail-Adresse sehen',
    offline_access: 'Verbunden bleiben, auch wenn Sie nicht da sind'
  },
  errors: {
    authorize: {
      title: 'Die Anmeldung konnte nicht beginnen',
      text: 'Die Anwendung hat eine Anfrage gesendet, die dieser Server nicht annehmen kann.'
    },
    invalidClient: {
      title: 'Diese Anwendung ist hier nicht bekannt',
      text: 'Sie ist bei diesem Server nicht registriert, oder ihre Registrierung ist abgelaufen.'
    },
    document: {
      title: 'Die Anwendung konnte nicht geprüft werden',
      text:
        'Dieser Server konnte die Angaben nicht lesen, die die Anwendung über sich veröffentlicht.'
    },
    redirectUri: {
      title: 'Die Weiterleitungsadresse ist nicht erlaubt',
      text:
        'Die Anwendung möchte den Zugriff an einer Adresse erhalten, die nicht für sie hinterlegt ist.'
    },
    invalidScope: {
      title: 'Diese Berechtigungen gibt es hier nicht',
      text: 'Die Anwendung verlangt Berechtigungen, die sie hier nicht erhalten kann.'
    },
    invalidTarget: {
      title: 'Diese Anmeldung ist für einen anderen Server',
      text: 'Die Anwendung verlangt Zugriff auf eine Adresse, die es hier nicht gibt.'
    },
    consent: {
      title: 'Die Anmeldung konnte nicht fortgesetzt werden',
      text: 'Ihre Entscheidung ist nicht so angekommen, wie dieser Server sie erwartet.'
    },
    expiredPage: {
      title: 'Diese Seite ist abgelaufen',
      text: 'Zu Ihrer Sicherheit gilt sie nur kurze Zeit. Es wurde nichts erlaubt.'
    },
    usedPage: {
      title: 'Sie haben bereits entschieden',
      text: 'Diese Seite wurde schon verwendet. Es gilt die erste Entscheidung.'
    },
    otherBrowser: {
      title: 'Diese Seite gehört zu einem anderen Browser',
      text: 'Zu Ihrer Sicherheit kann nur der Browser antworten, in dem die Seite geöffnet wurde.'
    },
    callback: {
      title: 'Die Anmeldung konnte nicht abgeschlossen werden',
      text: 'Der Anmeldedienst hat nicht wie erwartet geantwortet.'
    },
    expiredLogin: {
      title: 'Diese Anmeldung ist abgelaufen',
      text: 'Sie hat zu lange gedauert oder wurde nicht hier begonnen.'
    },
    endedLogin: {
      title: 'Diese Anmeldung ist beendet',
      text: 'Sie wurde abgeschlossen, abgebrochen oder in einem anderen Browser begonnen.'
    },
    completed: {
      title: 'Die Anmeldung ist abgeschlossen',
      text: 'Sie haben sich auf dieser Seite bereits angemeldet.'
    },
    tooManyRequests: {
      title: 'Zu viele Versuche',
      text: 'Dieser Server hat in kurzer Zeit zu viele Anfragen erhalten.'
    },
    unavailable: {
      title: 'Die Anmeldung ist zurzeit nicht möglich',
      text: 'Dieser Server oder der Anmeldedienst ist nicht erreichbar.'
    },
    broken: {
      title: 'Auf dem Server ist ein Fehler aufgetreten',
      text: 'Hier ist etwas schiefgegangen. Es liegt nicht an Ihnen.'
    }
  },
  advice: {
    completed: 'Sie können dieses Fenster schließen und zur Anwendung zurückkehren.',
    usedPage: 'Sie können dieses Fenster schließen und zur Anwendung zurückkehren.',
    tooManyRequests: 'Warten Sie einen Moment und laden Sie diese Seite dann neu.',
    unavailable: 'Warten Sie einen Moment und laden Sie diese Seite dann neu.',
    broken:
      'Laden Sie diese Seite später neu, oder nennen Sie dem Betreiber dieses Servers die Referenz ' +
      'unten. Der Grund steht in seinem Protokoll.',
    document:
      'Der Grund steht im Protokoll dieses Servers. Der Betreiber kann Anfragen an den Host ' +
      'der Anwendung zulassen oder die Option clientIdMetadata auf false setzen.',
    restart:
      'Schließen Sie dieses Fenster und beginnen Sie in der Anwendung von vorn. Wenn es wieder ' +
      'passiert, entfernen Sie dort die Verbindung und richten Sie sie neu ein.'
  },
  errorPage: {
    back:
      'Sie können zur Anwendung auf {host} zurückkehren. Folgen Sie dem Link nur, wenn Sie diese ' +
      'Adresse kennen.',
    backLink: 'Zurück zu {host}',
    code: 'Fehler: {code}',
    reference: 'Referenz: {reference}'
  },
  connected: {
    title: 'Verbundene Anwendungen',
    none: 'Keine Anwendung hat Zugriff auf Ihr Konto.',
    client: 'Anwendung',
    since: 'Verbunden seit {date}',
    lastUsed: 'Zuletzt verwendet am {date}',
    from: 'Der Zugriff geht an {host}',
    scopes: 'Was sie tun darf',
    revoke: 'Zugriff entziehen',
    revokeConfirm:
      '{client} den Zugriff entziehen? Die Anwendung muss Sie dann erneut um Erlaubnis bitten.',
    revoked: '{client} hat keinen Zugriff mehr.'
  }
}
