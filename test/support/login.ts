/** The browser and the official SDK's client, as the demo uses them. */
export * from '../../docs/examples/demo/browser.ts'
export * from '../../docs/examples/demo/client.ts'
