/** Which texts do the pages show in Spanish? */
import type { Messages } from './en.ts'

export const es: Messages = {
  consent: {
    title: '¿Permitir el acceso a {server}?',
    introduction:
      'Una aplicación solicita usar {server} en su nombre. Permítalo solo si usted lo ha iniciado.',
    client: 'Quién lo solicita',
    clientName: 'Aplicación',
    quotedName: '«{name}»',
    anyClient: 'esta aplicación',
    unverified: 'Nombre sin verificar',
    unnamed: 'Sin nombre',
    publisher: 'Publicada en',
    destination: 'El acceso se concede a',
    appDestination: 'una aplicación que abre enlaces {protocol}',
    scopes: 'Qué podrá hacer',
    everything: 'Usar todo lo que ofrece {server}, en su nombre',
    moreScopes: 'Otros permisos: {count}',
    tools: 'Funciones que puede usar: {count}',
    moreTools: 'No se muestran aquí: {count}',
    reads: 'Solo lectura',
    changes: 'Modifica datos',
    deletes: 'Puede borrar o sobrescribir',
    resource: 'Esta solicitud es para {resource}',
    provider: 'Si lo permite, a continuación iniciará sesión en {provider}.',
    deny: 'Rechazar',
    allow: 'Permitir'
  },
  warnings: {
    unless: 'Rechácelo si no acaba de iniciarlo usted en este dispositivo.',
    programTitle: 'El acceso se concede a un programa de este dispositivo.',
    program: 'Cualquier programa de este dispositivo puede hacerse pasar por {client}.',
    appTitle: 'El acceso se concede a una aplicación de este dispositivo.',
    app:
      'Cualquier aplicación de este dispositivo puede abrir enlaces {protocol} y hacerse pasar ' +
      'por {client}.',
    punycodeTitle: 'Fíjese bien en la dirección.',
    punycode:
      'La parte xn-- representa caracteres especiales, que pueden imitar un nombre que usted conoce.'
  },
  scopes: {
    openid: 'Reconocerle cuando vuelva',
    profile: 'Ver su perfil básico, como su nombre',
    email: 'Ver su dirección de correo electrónico',
    offline_access: 'Mantener el acceso en su ausencia'
  },
  errors: {
    authorize: {
      title: 'No se pudo iniciar la sesión',
      text: 'La aplicación envió una solicitud que este servidor no puede aceptar.'
    },
    invalidClient: {
      title: 'Esta aplicación no se conoce aquí',
      text: 'No está registrada en este servidor, o su registro ha caducado.'
    },
    document: {
      title: 'No se pudo verificar la aplicación',
      text: 'Este servidor no pudo leer los datos que la aplicación publica sobre sí misma.'
    },
    redirectUri: {
      title: 'La dirección de retorno no está permitida',
      text: 'La aplicación quiere recibir el acceso en una dirección que no tiene registrada.'
    },
    invalidScope: {
      title: 'Estos permisos no están disponibles',
      text: 'La aplicación solicita permisos que aquí no puede obtener.'
    },
    invalidTarget: {
      title: 'Este inicio de sesión es para otro servidor',
      text: 'La aplicación solicita acceso a una dirección que no existe aquí.'
    },
    consent: {
      title: 'No se pudo continuar con el inicio de sesión',
      text: 'Su decisión no llegó a este servidor como se esperaba.'
    },
    expiredPage: {
      title: 'Esta página ha caducado',
      text: 'Por su seguridad, solo es válida durante poco tiempo. No se ha permitido nada.'
    },
    usedPage: {
      title: 'Usted ya ha decidido',
      text: 'Esta página ya se utilizó, y cuenta la primera decisión.'
    },
    otherBrowser: {
      title: 'Esta página pertenece a otro navegador',
      text: 'Por su seguridad, solo puede responder el navegador que abrió la página.'
    },
    callback: {
      title: 'No se pudo completar el inicio de sesión',
      text: 'El servicio de inicio de sesión no respondió como se esperaba.'
    },
    expiredLogin: {
      title: 'Este inicio de sesión ha caducado',
      text: 'Tardó demasiado, o no se inició aquí.'
    },
    endedLogin: {
      title: 'Este inicio de sesión ha terminado',
      text: 'Se completó o se canceló, o se inició en otro navegador.'
    },
    completed: {
      title: 'El inicio de sesión se ha completado',
      text: 'Usted ya ha iniciado sesión en esta página.'
    },
    tooManyRequests: {
      title: 'Demasiados intentos',
      text: 'Este servidor recibió demasiadas solicitudes en poco tiempo.'
    },
    unavailable: {
      title: 'En este momento no es posible iniciar sesión',
      text: 'Este servidor o el servicio de inicio de sesión no está disponible.'
    },
    broken: {
      title: 'Se produjo un error en el servidor',
      text: 'Algo ha fallado aquí. No es culpa suya.'
    }
  },
  advice: {
    completed: 'Puede cerrar esta ventana y volver a la aplicación.',
    usedPage: 'Puede cerrar esta ventana y volver a la aplicación.',
    tooManyRequests: 'Espere un momento y vuelva a cargar esta página.',
    unavailable: 'Espere un momento y vuelva a cargar esta página.',
    broken:
      'Vuelva a cargar esta página más tarde, o indique la referencia de abajo al operador de este ' +
      'servidor. La causa está en el log del servidor.',
    document:
      'La causa está en el log del servidor. Su operador puede permitir solicitudes al host de la ' +
      'aplicación, o asignar false a la opción clientIdMetadata.',
    restart:
      'Cierre esta ventana y empiece de nuevo desde la aplicación que la abrió. Si vuelve a ' +
      'ocurrir, elimine allí la conexión y añádala otra vez.'
  },
  errorPage: {
    back: 'Puede volver a la aplicación en {host}. Siga este enlace solo si conoce esta dirección.',
    backLink: 'Volver a {host}',
    code: 'Error: {code}',
    reference: 'Referencia: {reference}'
  },
  connected: {
    title: 'Aplicaciones conectadas',
    none: 'Ninguna aplicación tiene acceso a su cuenta.',
    client: 'Aplicación',
    since: 'Conectada desde el {date}',
    lastUsed: 'Último uso: {date}',
    from: 'El acceso se concede a {host}',
    scopes: 'Qué puede hacer',
    revoke: 'Retirar el acceso',
    revokeConfirm: '¿Retirar el acceso de {client}? La aplicación tendrá que volver a pedírselo.',
    revoked: 'Se ha retirado el acceso de {client}.'
  }
}
