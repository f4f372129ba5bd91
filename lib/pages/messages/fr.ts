/** Which texts do the pages show in French? */
import type { Messages } from './en.ts'

export const fr: Messages = {
  consent: {
    title: 'Autoriser l’accès à {server}\u202f?',
    introduction:
      'Une application demande à utiliser {server} en votre nom. N’acceptez que si vous êtes à ' +
      'l’origine de cette demande.',
    client: 'Qui fait la demande',
    clientName: 'Application',
    quotedName: '«\u00a0{name}\u00a0»',
    anyClient: 'cette application',
    unverified: 'Nom non vérifié',
    unnamed: 'Sans nom',
    publisher: 'Publiée sur',
    destination: 'L’accès sera accordé à',
    appDestination: 'une application qui ouvre les liens {protocol}',
    scopes: 'Ce qu’elle pourra faire',
    everything: 'Utiliser tout ce que {server} propose, en votre nom',
    moreScopes: 'Autres autorisations\u00a0: {count}',
    tools: 'Fonctions qu’elle peut utiliser\u00a0: {count}',
    moreTools: 'Non affichées ici\u00a0: {count}',
    reads: 'Lecture seule',
    changes: 'Modifie des données',
    deletes: 'Peut supprimer ou écraser',
    resource: 'Cette demande concerne {resource}',
    provider: 'Si vous autorisez l’accès, vous vous connecterez ensuite auprès de {provider}.',
    deny: 'Refuser',
    allow: 'Autoriser'
  },
  warnings: {
    unless: 'Refusez si vous ne venez pas de lancer vous-même cette opération sur cet appareil.',
    programTitle: 'L’accès sera accordé à un programme de cet appareil.',
    program: 'N’importe quel programme de cet appareil peut se faire passer pour {client}.',
    appTitle: 'L’accès sera accordé à une application de cet appareil.',
    app:
      'N’importe quelle application de cet appareil peut ouvrir les liens {protocol} et se faire ' +
      'passer pour {client}.',
    punycodeTitle: 'Vérifiez bien l’adresse.',
    punycode:
      'La partie xn-- représente des lettres spéciales, qui peuvent imiter un nom que vous connaissez.'
  },
  scopes: {
    openid: 'Vous reconnaître à votre retour',
    profile: 'Voir votre profil, par exemple votre nom',
    email: 'Voir votre adresse e-mail',
    offline_access: 'Conserver l’accès en votre absence'
  },
  errors: {
    authorize: {
      title: 'La connexion n’a pas pu commencer',
      text: 'L’application a envoyé une demande que ce serveur ne peut pas accepter.'
    },
    invalidClient: {
      title: 'Cette application n’est pas connue ici',
      text: 'Elle n’est pas enregistrée sur ce serveur, ou son enregistrement a expiré.'
    },
    document: {
      title: 'L’application n’a pas pu être vérifiée',
      text: 'Ce serveur n’a pas pu lire les informations que l’application publie à son sujet.'
    },
    redirectUri: {
      title: 'L’adresse de retour n’est pas autorisée',
      text: 'L’application veut recevoir l’accès à une adresse qui n’est pas enregistrée pour elle.'
    },
    invalidScope: {
      title: 'Ces autorisations ne sont pas disponibles',
      text: 'L’application demande des autorisations qu’elle ne peut pas obtenir ici.'
    },
    invalidTarget: {
      title: 'Cette connexion concerne un autre serveur',
      text: 'L’application demande l’accès à une adresse qui n’existe pas ici.'
    },
    consent: {
      title: 'La connexion n’a pas pu se poursuivre',
      text: 'Votre décision n’est pas parvenue à ce serveur comme prévu.'
    },
    expiredPage: {
      title: 'Cette page a expiré',
      text: 'Pour votre sécurité, elle n’est valable que peu de temps. Rien n’a été autorisé.'
    },
    usedPage: {
      title: 'Vous avez déjà répondu',
      text: 'Cette page a déjà été utilisée, et c’est la première décision qui compte.'
    },
    otherBrowser: {
      title: 'Cette page appartient à un autre navigateur',
      text: 'Pour votre sécurité, seul le navigateur qui a ouvert la page peut y répondre.'
    },
    callback: {
      title: 'La connexion n’a pas pu aboutir',
      text: 'Le service de connexion n’a pas répondu comme prévu.'
    },
    expiredLogin: {
      title: 'Cette connexion a expiré',
      text: 'Elle a pris trop de temps, ou n’a pas commencé ici.'
    },
    endedLogin: {
      title: 'Cette connexion n’est plus valable',
      text: 'Elle a abouti ou a été annulée, ou elle a commencé dans un autre navigateur.'
    },
    completed: {
      title: 'Connexion réussie',
      text: 'La connexion a déjà eu lieu sur cette page.'
    },
    tooManyRequests: {
      title: 'Trop de tentatives',
      text: 'Ce serveur a reçu trop de demandes en peu de temps.'
    },
    unavailable: {
      title: 'La connexion est impossible pour le moment',
      text: 'Ce serveur ou le service de connexion n’est pas disponible.'
    },
    broken: {
      title: 'Une erreur s’est produite sur le serveur',
      text: 'Un problème est survenu de notre côté. Vous n’y êtes pour rien.'
    }
  },
  advice: {
    completed: 'Vous pouvez fermer cette fenêtre et revenir à l’application.',
    usedPage: 'Vous pouvez fermer cette fenêtre et revenir à l’application.',
    tooManyRequests: 'Patientez un instant, puis rechargez cette page.',
    unavailable: 'Patientez un instant, puis rechargez cette page.',
    broken:
      'Rechargez cette page plus tard, ou communiquez la référence ci-dessous à l’exploitant de ce ' +
      'serveur. La cause figure dans son journal.',
    document:
      'La cause figure dans le journal de ce serveur. Son exploitant peut autoriser les requêtes ' +
      'vers l’hôte de l’application, ou définir l’option clientIdMetadata sur false.',
    restart:
      'Fermez cette fenêtre et recommencez depuis l’application qui l’a ouverte. Si cela se ' +
      'reproduit, supprimez-y ce serveur et ajoutez-le à nouveau.'
  },
  errorPage: {
    back: 'Vous pouvez revenir à l’application sur {host}. Ne suivez ce lien que si vous ' +
      'connaissez cette adresse.',
    backLink: 'Revenir à {host}',
    code: 'Erreur\u00a0: {code}',
    reference: 'Référence\u00a0: {reference}'
  },
  connected: {
    title: 'Applications connectées',
    none: 'Aucune application n’a accès à votre compte.',
    client: 'Application',
    since: 'Connectée depuis le {date}',
    lastUsed: 'Dernière utilisation le {date}',
    from: 'L’accès est accordé à {host}',
    scopes: 'Ce qu’elle peut faire',
    revoke: 'Retirer l’accès',
    revokeConfirm: 'Retirer l’accès de {client}\u202f? L’application devra vous le redemander.',
    revoked: 'L’accès de {client} a été retiré.'
  }
}
