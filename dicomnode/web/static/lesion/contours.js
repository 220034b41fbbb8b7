// Curves of equal value on one plane, by marching squares (Lorensen and Cline 1987, in the plane).

// From side to side of a square (top, right, bottom, left), by which of its corners are inside:
// 1 the first of the upper row, 2 the second, 4 the second of the lower row, 8 the first.
const LINES = ['', 'lt', 'tr', 'lr', 'rb', '', 'tb', 'bl', 'bl', 'tb', '', 'rb', 'lr', 'tr', 'lt', ''];
const SADDLE = { 5: ['ltrb', 'trbl'], 10: ['trbl', 'ltrb'] };

// Segments [across, down, across, down, …] between pixel centres, values linear between them.
// Outside of the plane the value is 0, so that curves close. `values` runs fastest across.
export function contours(values, columns, rows, level) {
  const found = [];
  const value = (r, c) =>
    r < 0 || c < 0 || r >= rows || c >= columns ? 0 : values[r * columns + c];
  const between = (a, b) => (level - a) / (b - a);
  for (let r = -1; r < rows; r++) {
    for (let c = -1; c < columns; c++) {
      const a = value(r, c), b = value(r, c + 1), d = value(r + 1, c + 1), e = value(r + 1, c);
      const kind = (a >= level) | (b >= level) << 1 | (d >= level) << 2 | (e >= level) << 3;
      if (kind === 0 || kind === 15) continue;
      const at = {
        t: () => [c + between(a, b), r],
        r: () => [c + 1, r + between(b, d)],
        b: () => [c + between(e, d), r + 1],
        l: () => [c, r + between(a, e)],
      };
      // A saddle is parted as the mean of its corners says.
      const sides = SADDLE[kind]?.[+(a + b + d + e >= 4 * level)] ?? LINES[kind];
      for (const side of sides) found.push(...at[side]());
    }
  }
  return new Float32Array(found);
}
