import { auth0, auth0Api } from './auth0.ts'
import { authentik } from './authentik.ts'
import { clerk } from './clerk.ts'
import { cognito } from './cognito.ts'
import { descope } from './descope.ts'
import { discord } from './discord.ts'
import { entra, entraApi, entraApiV1 } from './entra.ts'
import { github } from './github.ts'
import { google } from './google.ts'
import { huggingface } from './huggingface.ts'
import { keycloak, keycloakRotating } from './keycloak.ts'
import { logto } from './logto.ts'
import { okta, oktaOrg, oktaRotating } from './okta.ts'
import { onelogin } from './onelogin.ts'
import { pingone } from './pingone.ts'
import { scalekit } from './scalekit.ts'
import { supabase } from './supabase.ts'
import { workos } from './workos.ts'
import { zitadel } from './zitadel.ts'
import type { ProviderFacts } from './provider.ts'

export * from './auth0.ts'
export * from './cognito.ts'
export * from './entra.ts'
export * from './github.ts'
export * from './google.ts'
export * from './keycloak.ts'
export * from './okta.ts'
export * from './workos.ts'

/** All emulated providers: one line for each preset. */
export const providers: readonly ProviderFacts[] = [
  auth0,
  auth0Api,
  authentik,
  clerk,
  cognito,
  descope,
  discord,
  entra,
  entraApi,
  entraApiV1,
  github,
  google,
  huggingface,
  keycloak,
  keycloakRotating,
  logto,
  okta,
  oktaOrg,
  oktaRotating,
  onelogin,
  pingone,
  scalekit,
  supabase,
  workos,
  zitadel
]
