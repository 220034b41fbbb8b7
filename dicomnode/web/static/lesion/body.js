// Reads what the server packs: JSON, then arrays on the lesion's lattice (head, back, left).
const TYPES = { int16: Int16Array, uint8: Uint8Array };

export class Grid {
  // data of shape [z, y, x]; offset: place of its first voxel on the lattice.
  constructor(data, shape, offset) {
    Object.assign(this, { data, shape, offset });
    this.steps = [shape[1] * shape[2], shape[2], 1];
  }

  // Of all voxels, in the order of `data`.
  *places() {
    const [z0, y0, x0] = this.offset, [z1, y1, x1] = this.shape.map((n, a) => n + this.offset[a]);
    for (let z = z0; z < z1; z++) {
      for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) yield [z, y, x];
    }
  }

  // The value at a place of whole numbers, or nothing outside.
  at(place) {
    let index = 0;
    for (let a = 0; a < 3; a++) {
      const i = Math.round(place[a]) - this.offset[a];
      if (i < 0 || i >= this.shape[a]) return undefined;
      index += i * this.steps[a];
    }
    return this.data[index];
  }

  // The value between voxels, linearly; voxels outside count as `outside`, or make it nothing.
  between(place, outside) {
    const low = place.map(Math.floor);
    let sum = 0;
    for (let corner = 0; corner < 8; corner++) {
      let weight = 1;
      const here = low.map((l, a) => {
        const up = (corner >> a) & 1, part = place[a] - l;
        weight *= up ? part : 1 - part;
        return l + up;
      });
      if (weight === 0) continue;
      const value = this.at(here) ?? outside;
      if (value === undefined) return undefined;
      sum += weight * value;
    }
    return sum;
  }
}

export async function asked(address, options) {
  const answer = await fetch(address, options);
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error ?? said.detail ?? `the server answered ${answer.status}`);
}

export function unpacked(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const about = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  const grids = {};
  for (const [name, { type, shape, offset, start }] of Object.entries(about.arrays)) {
    const data = new TYPES[type](buffer, 4 + length + start, shape.reduce((a, b) => a * b));
    grids[name] = new Grid(data, shape, offset);
  }
  return { ...about, ...grids };
}

export async function body(address, options) {
  return unpacked(await (await asked(address, options)).arrayBuffer());
}
