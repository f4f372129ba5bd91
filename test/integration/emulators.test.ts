import { test } from 'node:test'
import { providers } from '../providers/emulators/index.ts'
import { inside, runInside, skip, startInternet } from '../support/internet.ts'
import { errorTests, errorTestsOfOne } from './emulators/errors.ts'
import { loginTests } from './emulators/logins.ts'
import { strictTests } from './emulators/strict.ts'
import { wrongPresetTests } from './emulators/wrong-presets.ts'

if (inside) {
  const internet = await startInternet()
  for (const facts of providers) {
    strictTests(internet, facts)
    loginTests(internet, facts)
    errorTests(internet, facts)
  }
  errorTestsOfOne(internet)
  wrongPresetTests(internet)
} else {
  test(
    'every preset logs users in at its provider, and the emulated providers are strict [T-26 M-08]',
    { skip },
    t => runInside(t, import.meta.filename)
  )
}
