// From grids to pictures of one plane, one pixel a voxel; the canvas scales them.
import { ALPHA_COLOURS, LESS, MORE } from './colours.js';

// Alpha below this part fades out, so that its edge is not a step.
const FADES_BELOW = 0.1;

const rgba = (red, green, blue, alpha) =>
  ((alpha << 24) | (blue << 16) | (green << 8) | red) >>> 0;

export const ALPHA_TABLE = Uint32Array.from(ALPHA_COLOURS, ([r, g, b], i) =>
  rgba(r, g, b, Math.round(255 * Math.min(1, i / 255 / FADES_BELOW))));

// Of a difference from -255 to 255, in 511 steps.
export const DIFFERENCE_TABLE = Uint32Array.from({ length: 511 }, (_, i) => {
  const part = (i - 255) / 255;
  return rgba(...(part < 0 ? LESS : MORE), Math.round(255 * Math.min(1, 3 * Math.abs(part))));
});

const TRIMAP_TABLE = Uint32Array.of(0, rgba(255, 176, 0, 110), rgba(86, 180, 233, 110));

let greyTable, greyWindow;

// Grey of each HU: table[hu + 32768].
export function greys(window) {
  if (greyTable && greyWindow[0] === window[0] && greyWindow[1] === window[1]) return greyTable;
  greyTable ??= new Uint32Array(65536);
  greyWindow = [...window];
  const [low, high] = window, scale = 255 / (high - low);
  const from = Math.max(0, Math.ceil(low) + 32768), to = Math.min(65535, Math.floor(high) + 32768);
  greyTable.fill(rgba(0, 0, 0, 255), 0, from).fill(rgba(255, 255, 255, 255), to + 1);
  for (let i = from; i <= to; i++) {
    const grey = Math.round((i - 32768 - low) * scale);
    greyTable[i] = rgba(grey, grey, grey, 255);
  }
  return greyTable;
}

// Values of a plane, fastest across, or nothing where the grid does not reach.
export function cut(grid, plane, place) {
  const at = place - grid.offset[plane.through];
  if (at < 0 || at >= grid.shape[plane.through]) return undefined;
  const columns = grid.shape[plane.across], rows = grid.shape[plane.down];
  const across = grid.steps[plane.across], down = grid.steps[plane.down];
  const values = new grid.data.constructor(rows * columns);
  for (let r = 0, to = 0; r < rows; r++) {
    let from = at * grid.steps[plane.through] + r * down;
    for (let c = 0; c < columns; c++, from += across) values[to++] = grid.data[from];
  }
  return { values, columns, rows, left: grid.offset[plane.across], top: grid.offset[plane.down] };
}

// Remembers the last pictures by a key, so that only what changed is made anew.
export class Pictures {
  constructor(most = 24) { this.most = most; this.kept = new Map(); }

  get(key, make) {
    let found = this.kept.get(key);
    if (found === undefined) {
      found = make() ?? null;
      this.kept.set(key, found);
      if (this.kept.size > this.most) this.kept.delete(this.kept.keys().next().value);
    }
    return found;
  }
}

// A canvas with each value's colour; `first` is the value of the table's first entry.
export function coloured(part, table, first = 0) {
  if (!part) return undefined;
  const canvas = new OffscreenCanvas(part.columns, part.rows);
  const image = new ImageData(part.columns, part.rows);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < pixels.length; i++) pixels[i] = table[part.values[i] - first];
  canvas.getContext('2d').putImageData(image, 0, 0);
  return { canvas, left: part.left, top: part.top, columns: part.columns, rows: part.rows };
}

export const asGrey = (part, window) => coloured(part, greys(window), -32768);
export const asAlpha = part => coloured(part, ALPHA_TABLE);
export const asDifference = part => coloured(part, DIFFERENCE_TABLE, -255);
export const asTrimap = part => coloured(part, TRIMAP_TABLE);
