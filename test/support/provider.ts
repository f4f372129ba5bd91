/** The provider of the tests is the demo's: a real one. */
export * from '../../docs/examples/demo/provider.ts'
