/** Can text of one colour be read on another? */

/** The background of the pages in both colour schemes, and the text on their accent colour. */
export const paper = { light: '#ffffff', dark: '#1a1d21' }

/**
 * Returns the contrast of two colours (WCAG 2.2, "contrast ratio"): 1 to 21.
 *
 * @param a a colour such as `#1d4ed8`, as `b`
 */
export function contrastOf (a: string, b: string): number {
  const [low = 0, high = 0] = [a, b].map(luminanceOf).sort((x, y) => x - y)
  return (high + 0.05) / (low + 0.05)
}

function luminanceOf (color: string) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map(index => {
    const value = parseInt(color.slice(index, index + 2), 16) / 255
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4
  })
  return red * 0.2126 + green * 0.7152 + blue * 0.0722
}
