// What is looked at, and how: one object that all panes draw from. Places are on the lesion's
// lattice, in voxels (head, back, left).
import { WINDOWS, PLANES } from './planes.js';

const LOOKED_AT_MORE = 1.7; // how much more than the soft mask's box is seen at first
const LEAST_ZOOM = 0.15, MOST_ZOOM = 40;

export class View {
  constructor(lesion) {
    this.lesion = lesion;
    this.spacing = lesion.spacing;
    this.hu = lesion.hu;
    this.own = lesion;
    this.other = null; // another method's result
    this.difference = null;
    this.tool = 'crosshair';
    this.shown = {
      colour: true, contours: true, trimap: false, marks: true, crosshair: true, smooth: true,
    };
    this.opacity = 0.5;
    this.active = 'axial';
    // Of the CT's voxels and of the masks': pictures of older ones are not drawn any more.
    this.version = this.maskVersion = 0;
    this.listeners = [];
    this.startWindow = lesion.window;
    this.window = [...lesion.window];
    this.profile = this.firstProfile();
    this.home();
  }

  home() {
    this.centre = [...this.lesion.start];
    this.zoom = 1;
    this.pane = {};
    const { shape, offset } = this.lesion.alpha;
    const middle = shape.map((n, a) => offset[a] + (n - 1) / 2);
    for (const name of Object.keys(PLANES)) this.pane[name] = [...middle];
    this.lookedAtMm = LOOKED_AT_MORE * Math.max(...shape.map((n, a) => n * this.spacing[a]));
    this.window = [...this.startWindow];
    this.changed();
  }

  // Draws once, at the next frame, however much changes until then.
  changed() {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      for (const listener of this.listeners) listener(this);
    });
  }

  voxelsChanged() {
    this.version++;
    this.masksChanged();
  }

  masksChanged() {
    this.maskVersion++;
    this.changed();
  }

  // Where the crosshair may be: anywhere in the CT that is here.
  moveTo(place) {
    const { shape, offset } = this.hu;
    this.centre = place.map((p, a) =>
      Math.min(offset[a] + shape[a] - 1, Math.max(offset[a], p)));
    this.changed();
  }

  step(axis, voxels) {
    const place = [...this.centre];
    place[axis] = Math.round(place[axis]) + voxels;
    this.moveTo(place);
  }

  zoomBy(factor) {
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor));
    this.changed();
  }

  panBy(plane, downVoxels, acrossVoxels) {
    const middle = this.pane[plane];
    middle[PLANES[plane].down] += downVoxels;
    middle[PLANES[plane].across] += acrossVoxels;
    this.changed();
  }

  setWindow(low, high) {
    const width = Math.min(8000, Math.max(1, high - low));
    const centre = Math.min(4000, Math.max(-2000, (low + high) / 2));
    this.window = [centre - width / 2, centre + width / 2];
    this.changed();
  }

  preset(name) {
    this.setWindow(...(WINDOWS[name] ?? this.startWindow));
  }

  presetName() {
    const same = other => other.every((v, i) => Math.abs(v - this.window[i]) < 0.5);
    if (same(this.startWindow)) return 'start';
    return Object.keys(WINDOWS).find(name => same(WINDOWS[name])) ?? 'custom';
  }

  toggle(name) {
    this.shown[name] = !this.shown[name];
    this.changed();
  }

  setOpacity(opacity) {
    this.opacity = Math.min(1, Math.max(0, opacity));
    this.changed();
  }

  // Along the mark's first line; without one, from left to right through the start.
  firstProfile() {
    const line = this.lesion.marks.find(mark => !mark.closed);
    if (line) {
      const [from, to] = line.points;
      const more = from.map((f, a) => (to[a] - f) * 0.35);
      return [from.map((f, a) => f - more[a]), to.map((t, a) => t + more[a])];
    }
    return this.profileThrough(this.lesion.start, 2);
  }

  profileThrough(place, axis) {
    const { shape, offset } = this.lesion.alpha;
    const from = [...place], to = [...place];
    from[axis] = offset[axis];
    to[axis] = offset[axis] + shape[axis] - 1;
    return [from, to];
  }

  lengthMm(from, to) {
    return Math.hypot(...from.map((f, a) => (to[a] - f) * this.spacing[a]));
  }
}
