/** When is jose loaded by a server that only verifies tokens? */
import { lazy } from '../util/lazy.ts'

/** Loads jose at the first token: an app that starts has none. */
export const loadJose = lazy('jose', () => import('jose'))
