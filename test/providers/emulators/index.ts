import { auth0, auth0Api } from './auth0.ts'
import { cognito } from './cognito.ts'
import { entra, entraApi, entraApiV1 } from './entra.ts'
import { github } from './github.ts'
import { google } from './google.ts'
import { keycloak, keycloakRotating } from './keycloak.ts'
import { okta, oktaOrg, oktaRotating } from './okta.ts'
import type { ProviderFacts } from './provider.ts'
import { workos } from './workos.ts'

/** All emulated providers: one line for each preset. */
export const providers: readonly ProviderFacts[] = [
  auth0,
  auth0Api,
  cognito,
  entra,
  entraApi,
  entraApiV1,
  github,
  google,
  keycloak,
  keycloakRotating,
  okta,
  oktaOrg,
  oktaRotating,
  workos
]
