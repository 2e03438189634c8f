/** Colors of codes. */

/**
 * CSS colors from principal components [codes, 3] in −1..1: the first sets how light a color is, the others its hue. All are
 * light enough for black text.
 */
export function colorsOf(components: ArrayLike<number>): string[] {
  return Array.from({ length: components.length / 3 }, (_, i) => {
    const [light, green, blue] = [0, 1, 2].map((c) => components[3 * i + c]);
    return `oklab(${(0.82 + 0.1 * light).toFixed(3)} ${(0.13 * green).toFixed(3)} ${(0.13 * blue).toFixed(3)})`;
  });
}
