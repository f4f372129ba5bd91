/** How is something done not too often? */

/** Returns a function that runs another at most once in a time, and ignores further calls. */
export function throttled<Given extends unknown[]> (ms: number, run: (...given: Given) => void) {
  let last = -Infinity
  return (...given: Given) => {
    if (performance.now() - last < ms) return
    last = performance.now()
    run(...given)
  }
}
