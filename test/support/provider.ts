/** The real provider of the tests is that of the demo. */
export * from '../../docs/examples/demo/provider.ts'
