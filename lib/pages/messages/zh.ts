/** Which texts do the pages show in Chinese, in simplified characters? */
import type { Messages } from './en.ts'

export const zh: Messages = {
  consent: {
    title: '允许访问 {server}？',
    introduction: '有应用请求以您的身份使用 {server}。仅当此操作由您本人发起时，才应允许。',
    client: '请求方',
    clientName: '应用',
    quotedName: '“{name}”',
    anyClient: '此应用',
    unverified: '名称未经验证',
    unnamed: '未提供名称',
    publisher: '发布于',
    destination: '访问权限将发送至',
    appDestination: '可打开 {protocol} 链接的应用',
    scopes: '它可以执行的操作',
    everything: '以您的身份使用 {server} 提供的全部功能',
    moreScopes: '其他权限：{count} 项',
    tools: '它可以使用的功能：{count} 项',
    moreTools: '此处未列出：{count} 项',
    reads: '仅读取',
    changes: '会更改数据',
    deletes: '可能删除或覆盖',
    resource: '此请求针对 {resource}',
    provider: '如果允许，接下来您将在 {provider} 登录。',
    deny: '拒绝',
    allow: '允许'
  },
  warnings: {
    unless: '除非您刚刚在此设备上亲自发起此操作，否则请拒绝。',
    programTitle: '访问权限将发送给此设备上的程序。',
    program: '此设备上的任何程序都可能冒充{client}。',
    appTitle: '访问权限将发送给此设备上的应用。',
    app: '此设备上的任何应用都可能打开 {protocol} 链接并冒充{client}。',
    punycodeTitle: '请仔细核对地址。',
    punycode: '其中的 xn-- 部分代表特殊字符，可能用来冒充您熟悉的名称。'
  },
  scopes: {
    openid: '在您再次使用时识别您的身份',
    profile: '查看您的基本资料，例如姓名',
    email: '查看您的电子邮件地址',
    offline_access: '在您离开时保持连接'
  },
  errors: {
    authorize: {
      title: '无法开始登录',
      text: '该应用发送了此服务器无法接受的请求。'
    },
    invalidClient: {
      title: '此处无法识别该应用',
      text: '该应用未在此服务器上注册，或其注册已过期。'
    },
    document: {
      title: '无法验证该应用',
      text: '此服务器无法读取该应用公布的自身信息。'
    },
    redirectUri: {
      title: '不允许使用该返回地址',
      text: '该应用要求将访问权限发送到未登记的地址。'
    },
    invalidScope: {
      title: '这些权限不可用',
      text: '该应用请求了在此处无法获得的权限。'
    },
    invalidTarget: {
      title: '此登录针对其他服务器',
      text: '该应用请求访问的地址不由此处提供。'
    },
    consent: {
      title: '无法继续登录',
      text: '此服务器未能正常收到您的选择。'
    },
    expiredPage: {
      title: '此页面已过期',
      text: '为了您的安全，此页面仅在短时间内有效。未授予任何权限。'
    },
    usedPage: {
      title: '您已做出选择',
      text: '此页面已被使用，以第一次选择为准。'
    },
    otherBrowser: {
      title: '此页面属于其他浏览器',
      text: '为了您的安全，只有打开此页面的浏览器才能提交。'
    },
    callback: {
      title: '无法完成登录',
      text: '登录服务未返回预期的响应。'
    },
    expiredLogin: {
      title: '此次登录已过期',
      text: '用时过长，或登录并非从此处开始。'
    },
    endedLogin: {
      title: '此次登录已结束',
      text: '登录已完成或取消，或是在其他浏览器中开始的。'
    },
    completed: {
      title: '登录已完成',
      text: '您已通过此页面登录。'
    },
    tooManyRequests: {
      title: '尝试次数过多',
      text: '此服务器在短时间内收到了过多请求。'
    },
    unavailable: {
      title: '目前无法登录',
      text: '此服务器或登录服务不可用。'
    },
    broken: {
      title: '服务器出现错误',
      text: '我们这边出现了问题，并非您的操作所致。'
    }
  },
  advice: {
    completed: '您可以关闭此窗口并返回应用。',
    usedPage: '您可以关闭此窗口并返回应用。',
    tooManyRequests: '请稍候片刻，然后重新加载此页面。',
    unavailable: '请稍候片刻，然后重新加载此页面。',
    broken: '请稍后重新加载此页面，或将下方的参考编号告知此服务器的运营者。原因记录在其日志中。',
    document:
      '原因记录在此服务器的日志中。运营者可以允许向该应用的主机发送请求，或将选项 clientIdMetadata 设为 false。',
    restart:
      '请关闭此窗口，并在打开它的应用中重新开始。如果再次出现此问题，请在该应用中移除连接并重新添加。'
  },
  errorPage: {
    back: '您可以返回位于 {host} 的应用。仅当您熟悉此地址时，才应打开此链接。',
    backLink: '返回 {host}',
    code: '错误：{code}',
    reference: '参考编号：{reference}'
  },
  connected: {
    title: '已连接的应用',
    none: '没有应用可以访问您的账户。',
    client: '应用',
    since: '连接时间：{date}',
    lastUsed: '上次使用：{date}',
    from: '访问权限发送至 {host}',
    scopes: '它可以执行的操作',
    revoke: '移除访问权限',
    revokeConfirm: '要移除 {client} 的访问权限吗？之后该应用需要再次征得您的同意。',
    revoked: '已移除 {client} 的访问权限。'
  }
}
