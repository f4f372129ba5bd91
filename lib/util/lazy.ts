/** How is a module loaded that not every start of an app needs? */

/**
 * Returns a function that imports a module when it is first called.
 *
 * @param name of the package, or of the option that needs it
 * @throws {Error} that has the name and the remedy
 */
export function lazy<Module> (name: string, load: () => Promise<Module>) {
  let loaded: Promise<Module> | undefined
  return async () => {
    try {
      return await (loaded ??= load())
    } catch (cause) {
      loaded = undefined
      const remedy = 'Install the dependencies again and restart the app.'
      throw new Error(`${name}: a module cannot be loaded. ${remedy}`, { cause })
    }
  }
}
