import type { TestContext } from 'node:test'

// How do programs use helpers of tests, which clean up after a test?

export function createCleanup (): { context: TestContext, cleanUp: () => Promise<void> } {
  const ends: Array<() => unknown> = []
  const context = {
    after: (end: () => unknown) => ends.push(end),
    skip (reason: string) {
      throw new Error(reason)
    }
  }
  return {
    context: context as never,
    async cleanUp () {
      for (const end of ends.reverse()) await end()
    }
  }
}
