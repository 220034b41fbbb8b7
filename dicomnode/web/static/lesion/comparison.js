// Another method's result beside the lesion's own: on the same plane, with the difference.
import { Grid, body } from './body.js';

// Other less own, from -255 to 255, on the box of both; alpha beyond its box is 0.
export function difference(own, other) {
  const low = own.offset.map((o, a) => Math.min(o, other.offset[a]));
  const shape = own.shape.map((n, a) =>
    Math.max(own.offset[a] + n, other.offset[a] + other.shape[a]) - low[a]);
  const made = new Grid(new Int16Array(shape[0] * shape[1] * shape[2]), shape, low);
  for (const [grid, sign] of [[other, 1], [own, -1]]) {
    const from = grid.offset.map((o, a) => o - low[a]);
    let index = 0;
    for (let z = 0; z < grid.shape[0]; z++) {
      for (let y = 0; y < grid.shape[1]; y++) {
        let to = (z + from[0]) * made.steps[0] + (y + from[1]) * made.steps[1] + from[2];
        for (let x = 0; x < grid.shape[2]; x++) made.data[to++] += sign * grid.data[index++];
      }
    }
  }
  return made;
}

// How far two results differ, with units.
export function figures(view) {
  const { own, other, difference: less, spacing } = view;
  const ml = spacing[0] * spacing[1] * spacing[2] / 1000;
  let absolute = 0, most = 0;
  for (const value of less.data) {
    absolute += Math.abs(value);
    most = Math.max(most, Math.abs(value));
  }
  const inside = grid => grid.data.reduce((n, value) => n + (value >= 127.5), 0);
  let both = 0, index = 0;
  for (const place of own.alpha.places()) {
    both += own.alpha.data[index++] >= 127.5 && other.alpha.at(place) >= 127.5;
  }
  const sizes = inside(own.alpha) + inside(other.alpha);
  const volume = result => result.volume === null ? 'no volume' : `${result.volume.toFixed(3)} ml`;
  return [
    [own.method, volume(own)],
    [other.method, volume(other)],
    ['Sum of differences of alpha', `${(absolute / 255 * ml).toFixed(3)} ml`],
    ['Greatest difference', (most / 255).toFixed(2)],
    ['Dice of alpha 0.5 and more', sizes ? (2 * both / sizes).toFixed(3) : 'both are empty'],
  ];
}

// Whatever was asked for before and has not come is not waited for any more.
export async function compare(view, method) {
  view.asking?.abort();
  const { signal } = view.asking = new AbortController();
  let other = null;
  try {
    if (method) other = await body(`/lesions/${view.lesion.id}/methods/${encodeURIComponent(method)}`, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) return;
  view.other = other;
  view.difference = other && difference(view.own.alpha, other.alpha);
  view.masksChanged();
}
