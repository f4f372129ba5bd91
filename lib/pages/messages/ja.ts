/** Which texts do the pages show in Japanese? */
import type { Messages } from './en.ts'

export const ja: Messages = {
  consent: {
    title: '{server} へのアクセスを許可しますか？',
    introduction:
      'アプリケーションが、お客様に代わって {server} を利用しようとしています。ご自身で開始した操作の場合にのみ許可してください。',
    client: 'アクセスを求めているアプリ',
    clientName: 'アプリケーション',
    quotedName: '「{name}」',
    anyClient: 'このアプリケーション',
    unverified: '未確認の名前',
    unnamed: '名前なし',
    publisher: '公開元',
    destination: 'アクセス権の送信先',
    appDestination: '{protocol} リンクを開くアプリ',
    scopes: '許可される操作',
    everything: 'お客様として {server} のすべての機能を利用する',
    moreScopes: 'その他の権限：{count} 件',
    tools: '利用できる機能：{count} 件',
    moreTools: 'ここに表示されていないもの：{count} 件',
    reads: '読み取りのみ',
    changes: '変更を行う',
    deletes: '削除や上書きが可能',
    resource: '対象：{resource}',
    provider: '許可すると、次に {provider} でログインします。',
    deny: '拒否',
    allow: '許可'
  },
  warnings: {
    unless: 'この端末でご自身が今開始した操作でなければ、拒否してください。',
    programTitle: 'アクセス権はこの端末上のプログラムに渡されます。',
    program: 'この端末上のどのプログラムも、{client}になりすますことができます。',
    appTitle: 'アクセス権はこの端末上のアプリに渡されます。',
    app: 'この端末上のどのアプリも、{protocol} リンクを開いて{client}になりすますことができます。',
    punycodeTitle: 'アドレスをよく確認してください。',
    punycode: 'xn-- の部分は特殊な文字を表し、見慣れた名前に似せることができます。'
  },
  scopes: {
    openid: '次回の利用時にお客様を識別する',
    profile: '名前などの基本プロフィールを見る',
    email: 'メールアドレスを見る',
    offline_access: 'お客様が操作していない間も接続を維持する'
  },
  errors: {
    authorize: {
      title: 'ログインを開始できませんでした',
      text: 'アプリケーションから、このサーバーが受け付けられない要求が送信されました。'
    },
    invalidClient: {
      title: 'このアプリケーションは登録されていません',
      text: 'このサーバーに登録されていないか、登録の有効期限が切れています。'
    },
    document: {
      title: 'アプリケーションを確認できませんでした',
      text: 'アプリケーションが公開している情報を、このサーバーが読み取れませんでした。'
    },
    redirectUri: {
      title: '戻り先のアドレスは許可されていません',
      text: 'アプリケーションは、登録されていないアドレスでアクセス権を受け取ろうとしています。'
    },
    invalidScope: {
      title: 'これらの権限は利用できません',
      text: 'アプリケーションは、ここでは取得できない権限を求めています。'
    },
    invalidTarget: {
      title: '別のサーバーへのログインです',
      text: 'アプリケーションは、ここでは提供されていないアドレスへのアクセスを求めています。'
    },
    consent: {
      title: 'ログインを続行できませんでした',
      text: 'お客様の選択が、このサーバーに正しく届きませんでした。'
    },
    expiredPage: {
      title: 'このページの有効期限が切れました',
      text: '安全のため、このページは短時間のみ有効です。何も許可されていません。'
    },
    usedPage: {
      title: 'すでに選択済みです',
      text: 'このページはすでに使用されており、最初の選択が有効です。'
    },
    otherBrowser: {
      title: '別のブラウザーのページです',
      text: '安全のため、ページを開いたブラウザーからのみ回答できます。'
    },
    callback: {
      title: 'ログインを完了できませんでした',
      text: 'ログインサービスから正しい応答がありませんでした。'
    },
    expiredLogin: {
      title: 'このログインの有効期限が切れました',
      text: '時間がかかりすぎたか、ここで開始されたものではありません。'
    },
    endedLogin: {
      title: 'このログインは終了しています',
      text: 'すでに完了または取り消されたか、別のブラウザーで開始されたものです。'
    },
    completed: {
      title: 'ログインは完了しています',
      text: 'このページでのログインはすでに済んでいます。'
    },
    tooManyRequests: {
      title: '試行回数が多すぎます',
      text: 'このサーバーは短時間に多くの要求を受け取りました。'
    },
    unavailable: {
      title: '現在ログインできません',
      text: 'このサーバーまたはログインサービスを利用できません。'
    },
    broken: {
      title: 'サーバーでエラーが発生しました',
      text: 'こちらで問題が発生しました。お客様の操作が原因ではありません。'
    }
  },
  advice: {
    completed: 'このウィンドウを閉じて、アプリケーションに戻ってください。',
    usedPage: 'このウィンドウを閉じて、アプリケーションに戻ってください。',
    tooManyRequests: 'しばらく待ってから、このページを再読み込みしてください。',
    unavailable: 'しばらく待ってから、このページを再読み込みしてください。',
    broken:
      '後でこのページを再読み込みするか、下の照会番号をこのサーバーの運営者にお知らせください。原因はログに記録されています。',
    document:
      '原因はこのサーバーのログに記録されています。運営者は、アプリケーションのホストへの要求を許可するか、オプション clientIdMetadata を false に設定できます。',
    restart:
      'このウィンドウを閉じ、元のアプリケーションからやり直してください。再び発生する場合は、アプリケーションで接続を削除し、追加し直してください。'
  },
  errorPage: {
    back:
      '{host} のアプリケーションに戻ることができます。このアドレスをご存じの場合にのみ、このリンクを開いてください。',
    backLink: '{host} に戻る',
    code: 'エラー：{code}',
    reference: '照会番号：{reference}'
  },
  connected: {
    title: '接続済みのアプリケーション',
    none: 'お客様のアカウントにアクセスできるアプリケーションはありません。',
    client: 'アプリケーション',
    since: '接続日：{date}',
    lastUsed: '最終利用日：{date}',
    from: 'アクセス権の送信先：{host}',
    scopes: '許可されている操作',
    revoke: 'アクセス権を取り消す',
    revokeConfirm: '{client} のアクセス権を取り消しますか？取り消すと、再度許可が必要になります。',
    revoked: '{client} のアクセス権を取り消しました。'
  }
}
