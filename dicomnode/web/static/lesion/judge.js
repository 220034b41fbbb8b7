// Judging: accept or reject, and a trimap that is mended with a brush and matted again.
import { Grid, asked, body } from './body.js';
import { PLANES } from './planes.js';

const $ = id => document.getElementById(id);
const MOST_STROKES = 50;

const base64 = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''));

export class Judge {
  constructor(view, controls, address) {
    Object.assign(this, { view, controls, address, before: [], solvedMs: 0 });
    view.dragged = (doing, pane, event) => {
      if (doing === 'brush') this.paint(pane.plane, pane.toLattice(event));
    };
    view.ended = doing => { if (doing === 'brush') this.strokeEnds(); };
    $('undo').addEventListener('click', () => this.undo());
    $('as-before').addEventListener('click', () => this.asBefore());
    $('accept').addEventListener('click', () => this.say('accepted'));
    $('reject').addEventListener('click', () => this.say('rejected'));
    asked(`${address}/verdicts`).then(answer => answer.json()).then(rows => this.list(rows), () => {});
  }

  get mended() { return this.view.own !== this.view.lesion; }

  // The brush works on a copy; the server's worker starts at once, so that strokes do not wait.
  begin() {
    $('brush').hidden = false;
    const { view } = this;
    if (this.mended) return;
    const { trimap } = view.lesion;
    view.own = { ...view.lesion, trimap: new Grid(trimap.data.slice(), trimap.shape, trimap.offset) };
    view.shown.trimap = true;
    view.masksChanged();
    this.solve();
  }

  nextPaint() {
    const list = $('paint');
    list.selectedIndex = (list.selectedIndex + 1) % list.length;
  }

  resize(factor) {
    const radius = Math.round(2 * $('radius').value * factor) / 2;
    $('radius').value = Math.min(30, Math.max(0.5, radius + (factor > 1 && radius <= $('radius').value ? 0.5 : 0)));
  }

  stroke(plane) {
    if (this.view.tool !== 'brush') return;
    this.paint(plane, this.view.centre);
    this.strokeEnds();
  }

  // A disc around a place, and around all places since the last one of the stroke.
  paint(planeName, place) {
    const { view } = this, { trimap } = view.own, { through, down, across } = PLANES[planeName];
    if (!this.last) {
      this.before.push(trimap.data.slice());
      if (this.before.length > MOST_STROKES) this.before.shift();
    }
    const from = this.last ?? place, radius = Number($('radius').value) || 1;
    const steps = Math.max(1, Math.ceil(2 * view.lengthMm(from, place) / radius));
    const value = Number($('paint').value), at = [0, 0, 0];
    at[through] = Math.round(place[through]);
    for (let step = 0; step <= steps; step++) {
      const centre = from.map((f, a) => f + step / steps * (place[a] - f));
      const [rows, columns] = [down, across].map(a => Math.ceil(radius / view.spacing[a]));
      for (let r = -rows; r <= rows; r++) {
        for (let c = -columns; c <= columns; c++) {
          at[down] = Math.round(centre[down]) + r;
          at[across] = Math.round(centre[across]) + c;
          const away = [down, across].map(a => (at[a] - centre[a]) * view.spacing[a]);
          if (Math.hypot(...away) > radius || trimap.at(at) === undefined) continue;
          trimap.data[at.reduce((sum, p, a) => sum + (p - trimap.offset[a]) * trimap.steps[a], 0)] = value;
        }
      }
    }
    this.last = [...place];
    view.masksChanged();
  }

  strokeEnds() {
    this.last = undefined;
    this.solve();
  }

  undo() {
    const data = this.before.pop();
    if (!data) return;
    this.view.own.trimap.data.set(data);
    this.view.masksChanged();
    this.solve();
  }

  asBefore() {
    const { view, controls } = this;
    this.before = [];
    this.asking = undefined;
    view.own = view.lesion;
    $('brush').hidden = true;
    if (view.tool === 'brush') controls.chooseTool('crosshair');
    $('about').textContent = `Method ${view.own.method}; alpha: ${view.own.means}.`;
    controls.compareAgain();
  }

  // One request at a time: what is painted meanwhile goes with the next.
  async solve() {
    const { view, controls } = this;
    if (this.asking) { this.again = true; return; }
    const mine = this.asking = {};
    const data = view.own.trimap.data, start = performance.now();
    await controls.telling('Matting again', async () => {
      const made = await body(`${this.address}/mended`, this.posted('application/octet-stream', data));
      if (this.asking !== mine) return;
      view.own = { ...view.own, alpha: made.alpha, method: made.method, volume: made.volume, means: made.means };
      controls.compareAgain();
      this.solvedMs = performance.now() - start;
      const volume = made.volume === null ? '' : `, ${made.volume.toFixed(3)} ml`;
      $('about').textContent = `Mended: ${made.method}${volume}. Measurements above are of the result before.`;
    });
    if (this.asking !== mine) return;
    this.asking = undefined;
    if (this.again) {
      this.again = false;
      await this.solve();
    }
  }

  posted(type, content) {
    const headers = { 'Content-Type': type, 'X-CSRF-Token': $('viewer').dataset.token };
    return { method: 'POST', headers, body: content };
  }

  async say(decision) {
    const said = { decision, soft_mask: this.view.lesion.softMask, reason: $('reason').value || null, words: $('words').value };
    if (decision === 'accepted' && this.before.length) said.trimap = base64(this.view.own.trimap.data);
    await this.controls.telling('Keeping the verdict', async () => {
      const answer = await asked(`${this.address}/verdicts`, this.posted('application/json', JSON.stringify(said)));
      // What was accepted as mended is the lesion's soft mask from now on, on the same lattice.
      if (said.trimap) {
        Object.assign(this.view.lesion, await body(`${this.address}/volume`));
        this.asBefore();
        $('about').textContent += ' Measurements above are of the result before.';
      }
      this.list(await answer.json());
      $('reason').value = $('words').value = '';
    });
  }

  list(rows) {
    $('verdicts').replaceChildren(...rows.map(row => {
      const item = document.createElement('li');
      const why = [row.reason, row.words].filter(Boolean).join(': ');
      item.textContent = `${row.decision}${row.mended ? ' as mended' : ''} by ${row.who}, ${row.at}${why && `. ${why}`}`;
      return item;
    }));
  }
}
