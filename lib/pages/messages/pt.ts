/** Which texts do the pages show in Portuguese? */
import type { Messages } from './en.ts'

export const pt: Messages = {
  consent: {
    title: 'Permitir o acesso a {server}?',
    introduction:
      'Uma aplicação pede para usar {server} em seu nome. Só permita se o pedido partiu de você.',
    client: 'Quem pede acesso',
    clientName: 'Aplicação',
    quotedName: '“{name}”',
    anyClient: 'esta aplicação',
    unverified: 'Nome não verificado',
    unnamed: 'Sem nome',
    publisher: 'Publicada em',
    destination: 'O acesso é entregue a',
    appDestination: 'uma aplicação que abre links {protocol}',
    scopes: 'O que poderá fazer',
    everything: 'Usar tudo o que {server} oferece, em seu nome',
    moreScopes: 'Outras permissões: {count}',
    tools: 'Funções que pode usar: {count}',
    moreTools: 'Não mostradas aqui: {count}',
    reads: 'Só lê',
    changes: 'Faz alterações',
    deletes: 'Pode apagar ou substituir',
    resource: 'Este pedido é para {resource}',
    provider: 'Se permitir, em seguida você fará login em {provider}.',
    deny: 'Recusar',
    allow: 'Permitir'
  },
  warnings: {
    unless: 'Recuse se não foi você quem acabou de iniciar isto neste dispositivo.',
    programTitle: 'O acesso é entregue a um programa deste dispositivo.',
    program: 'Qualquer programa deste dispositivo pode se passar por {client}.',
    appTitle: 'O acesso é entregue a uma aplicação deste dispositivo.',
    app: 'Qualquer aplicação deste dispositivo pode abrir links {protocol} e se passar por ' +
      '{client}.',
    punycodeTitle: 'Confira bem o endereço.',
    punycode: 'A parte xn-- representa letras especiais, que podem imitar um nome conhecido.'
  },
  scopes: {
    openid: 'Reconhecer você quando voltar',
    profile: 'Ver o seu perfil básico, como o seu nome',
    email: 'Ver o seu endereço de e-mail',
    offline_access: 'Continuar conectada na sua ausência'
  },
  errors: {
    authorize: {
      title: 'Não foi possível iniciar o login',
      text: 'A aplicação enviou um pedido que este servidor não pode aceitar.'
    },
    invalidClient: {
      title: 'Esta aplicação não é conhecida aqui',
      text: 'Ela não está registrada neste servidor, ou o registro dela expirou.'
    },
    document: {
      title: 'Não foi possível verificar a aplicação',
      text: 'Este servidor não conseguiu ler os dados que a aplicação publica sobre si mesma.'
    },
    redirectUri: {
      title: 'O endereço de retorno não é permitido',
      text: 'A aplicação quer receber o acesso em um endereço que não está registrado para ela.'
    },
    invalidScope: {
      title: 'Estas permissões não estão disponíveis',
      text: 'A aplicação pede permissões que não pode obter aqui.'
    },
    invalidTarget: {
      title: 'Este login é para outro servidor',
      text: 'A aplicação pede acesso a um endereço que não existe aqui.'
    },
    consent: {
      title: 'Não foi possível continuar o login',
      text: 'A sua decisão não chegou a este servidor como esperado.'
    },
    expiredPage: {
      title: 'Esta página expirou',
      text: 'Para a sua segurança, só é válida por pouco tempo. Nada foi permitido.'
    },
    usedPage: {
      title: 'Você já decidiu',
      text: 'Esta página já foi usada, e vale a primeira decisão.'
    },
    otherBrowser: {
      title: 'Esta página pertence a outro navegador',
      text: 'Para a sua segurança, só o navegador que abriu a página pode responder.'
    },
    callback: {
      title: 'Não foi possível concluir o login',
      text: 'O serviço de login não respondeu como esperado.'
    },
    expiredLogin: {
      title: 'Este login expirou',
      text: 'Demorou demais ou não foi iniciado aqui.'
    },
    endedLogin: {
      title: 'Este login terminou',
      text: 'Foi concluído ou cancelado, ou foi iniciado em outro navegador.'
    },
    completed: {
      title: 'O login foi concluído',
      text: 'Você já fez login nesta página.'
    },
    tooManyRequests: {
      title: 'Tentativas demais',
      text: 'Este servidor recebeu pedidos demais em pouco tempo.'
    },
    unavailable: {
      title: 'Não é possível fazer login neste momento',
      text: 'Este servidor ou o serviço de login não está disponível.'
    },
    broken: {
      title: 'Ocorreu um erro no servidor',
      text: 'Algo falhou aqui. A culpa não é sua.'
    }
  },
  advice: {
    completed: 'Pode fechar esta janela e voltar à aplicação.',
    usedPage: 'Pode fechar esta janela e voltar à aplicação.',
    tooManyRequests: 'Aguarde um momento e recarregue esta página.',
    unavailable: 'Aguarde um momento e recarregue esta página.',
    broken: 'Recarregue esta página mais tarde, ou informe a referência abaixo ao operador deste ' +
      'servidor. A causa está no log dele.',
    document: 'A causa está no log deste servidor. O operador pode permitir pedidos ao host da ' +
      'aplicação, ou definir a opção clientIdMetadata como false.',
    restart:
      'Feche esta janela e comece de novo na aplicação que a abriu. Se voltar a acontecer, remova ' +
      'a conexão nessa aplicação e adicione-a outra vez.'
  },
  errorPage: {
    back: 'Pode voltar à aplicação em {host}. Só abra este link se conhecer este endereço.',
    backLink: 'Voltar a {host}',
    code: 'Erro: {code}',
    reference: 'Referência: {reference}'
  },
  connected: {
    title: 'Aplicações conectadas',
    none: 'Nenhuma aplicação tem acesso à sua conta.',
    client: 'Aplicação',
    since: 'Conectada desde {date}',
    lastUsed: 'Último uso: {date}',
    from: 'O acesso é entregue a {host}',
    scopes: 'O que pode fazer',
    revoke: 'Remover o acesso',
    revokeConfirm: 'Remover o acesso de {client}? A aplicação terá de pedir outra vez.',
    revoked: 'O acesso de {client} foi removido.'
  }
}
