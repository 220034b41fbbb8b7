// Curves of equal value on one plane, by marching squares (Lorensen and Cline 1987, in the plane).

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
      const top = () => [c + between(a, b), r];
      const right = () => [c + 1, r + between(b, d)];
      const bottom = () => [c + between(e, d), r + 1];
      const left = () => [c, r + between(a, e)];
      const line = (from, to) => found.push(...from(), ...to());
      // A saddle is parted as the mean of its corners says.
      const high = a + b + d + e >= 4 * level;
      switch (kind) {
        case 1: case 14: line(left, top); break;
        case 2: case 13: line(top, right); break;
        case 4: case 11: line(right, bottom); break;
        case 8: case 7: line(bottom, left); break;
        case 3: case 12: line(left, right); break;
        case 6: case 9: line(top, bottom); break;
        case 5:
          if (high) { line(top, right); line(bottom, left); }
          else { line(left, top); line(right, bottom); }
          break;
        case 10:
          if (high) { line(left, top); line(right, bottom); }
          else { line(top, right); line(bottom, left); }
          break;
      }
    }
  }
  return new Float32Array(found);
}
