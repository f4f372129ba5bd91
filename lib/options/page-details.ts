/** Which details of a page does the function receive that renders it? */

/** A tool as the consent page describes it, by its hints. */
export interface ListedTool {
  readonly title: string
  readonly effect: 'reads' | 'changes' | 'deletes'
  /** The scopes that a call needs. */
  readonly scopes: readonly string[]
}

/** The language of the reader, among those that the pages have. */
export interface PageLanguage {
  /** A language tag, for `lang`. */
  readonly language: string
  /** For `dir`. */
  readonly direction: 'ltr' | 'rtl'
}

/** The content of a consent page. All members but `fields` are plain text: escape them in HTML. */
export interface ConsentDetails extends PageLanguage {
  /** URL that the form is submitted to, with `method="post"`. */
  readonly action: string
  /**
   * HTML of the hidden fields that the form must contain. Its buttons have the name `action` and
   * the values `approve` and `deny`.
   */
  readonly fields: string
  /**
   * The nonce of `<style nonce="…">`, new for each response. The Content-Security-Policy of the
   * page allows no other styles, and no scripts.
   */
  readonly nonce: string
  /** Name of this server. */
  readonly server: string
  /** The client. Its name is unverified. */
  readonly client: { readonly id: string, readonly name: string | null }
  /** Where the user is sent after the login. */
  readonly redirectUri: string
  /** The requested scopes, each with its meaning in words, if it is known. */
  readonly scopes: ReadonlyArray<{ readonly name: string, readonly meaning: string | null }>
  /** The tools that the client could call. Empty where they are unknown or not to be listed. */
  readonly tools: ReadonlyArray<Pick<ListedTool, 'title' | 'effect'>>
  /** URL of the MCP route. */
  readonly resource: string
  /** Host of the provider where the user logs in. */
  readonly provider: string
}

/** The content of an error page. All members are plain text: escape them in HTML. */
export interface ErrorPageDetails extends PageLanguage {
  /** The texts of the page, in the language of the reader. */
  readonly title: string
  readonly text: string
  readonly advice: string
  /** The cause in English, as clients get it. */
  readonly cause: string
  /** OAuth error, such as `invalid_request`. */
  readonly error: string
  /** HTTP status. */
  readonly status: number
  /** Id of the request, which its log lines have. */
  readonly reference: string
  /** Validated URL of the application, where the user may go back to it; else null. */
  readonly back: string | null
  /** The nonce of `<style nonce="…">`, as on the consent page. */
  readonly nonce: string
}
