export * from './stub-provider.ts'
export {
  startStubProvider as startUpstream,
  type StubProvider as Upstream
} from './stub-provider.ts'
