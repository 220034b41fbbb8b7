// Curves of equal value on one plane, by marching squares (Lorensen and Cline 1987, in the plane).

// From side to side of a square (top, right, bottom, left), inside on the right, by which corners
// are: 1 the first of the upper row, 2 the second, 4 the second of the lower row, 8 the first.
const LINES = ['', 'lt', 'tr', 'lr', 'rb', '', 'tb', 'lb', 'bl', 'bt', '', 'br', 'rl', 'rt', 'tl', ''];
const SADDLE = { 5: ['ltrb', 'lbrt'], 10: ['trbl', 'tlbr'] };

// Closed curves [across, down, across, down, …] between pixel centres, values linear between them
// and 0 outside of the plane.
export function contours({ values, columns, rows }, level) {
  const next = new Map(), found = [];
  const value = (r, c) => (c >= 0 && c < columns && values[r * columns + c]) || 0;
  for (let r = -1; r < rows; r++) {
    for (let c = -1; c < columns; c++) {
      const a = value(r, c), b = value(r, c + 1), d = value(r + 1, c + 1), e = value(r + 1, c);
      const kind = (a >= level) | (b >= level) << 1 | (d >= level) << 2 | (e >= level) << 3;
      if (kind % 15 === 0) continue;
      // Each side's number, the same for its neighbour, and where the curve crosses it.
      const n = 2 * (r * (columns + 1) + c);
      const sides = {
        t: [n, c + (level - a) / (b - a), r],
        r: [n + 3, c + 1, r + (level - b) / (d - b)],
        b: [n + 2 * columns + 2, c + (level - e) / (d - e), r + 1],
        l: [n + 1, c, r + (level - a) / (e - a)],
      };
      // A saddle is parted as the mean of its corners says.
      const lines = SADDLE[kind]?.[+(a + b + d + e >= 4 * level)] ?? LINES[kind];
      for (let i = 0; i < lines.length; i += 2) {
        const [from, ...place] = sides[lines[i]];
        next.set(from, [sides[lines[i + 1]][0], place]);
      }
    }
  }
  for (let id of next.keys()) {
    const curve = [];
    for (let step; (step = next.get(id)); id = step[0]) {
      curve.push(...step[1]);
      next.delete(id);
    }
    found.push(curve);
  }
  return found;
}
