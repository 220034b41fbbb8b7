// One plane on one canvas: draws it, and takes what mouse, pen and fingers do to it.
import { contours } from './contours.js';
import { PLANES } from './planes.js';
import { Pictures, asAlpha, asDifference, asGrey, asTrimap, cut } from './slices.js';
import { words } from './words.js';

const NOTICE = 'Research, not for diagnosis';
const AXIS_COLOURS = ['#ff8f6b', '#7fd4a2', '#7fb2ff']; // of the planes that the crosshair shows
const HU_A_PIXEL = 2;
const SCALES_MM = [1, 2, 5, 10, 20, 50, 100, 200];

export class Pane {
  // shows: 'own', 'other' or 'difference'.
  constructor(canvas, planeName, view) {
    Object.assign(this, { canvas, view, shows: 'own', pictures: new Pictures(), fingers: new Map() });
    this.context = canvas.getContext('2d', { alpha: false });
    this.plane = planeName;
    canvas.addEventListener('pointerdown', event => this.down(event));
    canvas.addEventListener('pointermove', event => this.move(event));
    for (const kind of ['pointerup', 'pointercancel']) {
      canvas.addEventListener(kind, event => this.up(event));
    }
    canvas.addEventListener('wheel', event => this.wheel(event), { passive: false });
    canvas.addEventListener('contextmenu', event => event.preventDefault());
    canvas.addEventListener('focus', () => { view.active = this.plane; view.changed(); });
    new ResizeObserver(() => view.changed()).observe(canvas);
  }

  get axes() { return PLANES[this.plane]; }

  // Device pixels a mm.
  get scale() {
    const { width, height } = this.canvas;
    return this.view.zoom * Math.min(width, height) / this.view.lookedAtMm;
  }

  toScreen(place) {
    const { down, across, sign } = this.axes, { spacing } = this.view;
    const middle = this.view.pane[this.plane];
    return [
      this.canvas.width / 2 + (place[across] - middle[across]) * spacing[across] * this.scale,
      this.canvas.height / 2 + sign * (place[down] - middle[down]) * spacing[down] * this.scale,
    ];
  }

  // From an event's place on the page to the lattice, in the plane that is seen.
  toLattice(event) {
    const box = this.canvas.getBoundingClientRect(), more = devicePixelRatio;
    const { through, down, across, sign } = this.axes, { spacing } = this.view;
    const middle = this.view.pane[this.plane], place = [0, 0, 0];
    const x = (event.clientX - box.left) * more - this.canvas.width / 2;
    const y = (event.clientY - box.top) * more - this.canvas.height / 2;
    place[through] = this.slice;
    place[across] = middle[across] + x / (spacing[across] * this.scale);
    place[down] = middle[down] + sign * y / (spacing[down] * this.scale);
    return place;
  }

  get slice() { return Math.round(this.view.centre[this.axes.through]); }

  // What of the result is drawn here: alpha and trimap, or the difference.
  get result() {
    const { view } = this;
    return this.shows === 'other' ? view.other ?? view.own : view.own;
  }

  draw() {
    const { canvas, context, view, axes } = this;
    const width = Math.round(canvas.clientWidth * devicePixelRatio);
    const height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    // A line's width in device pixels, more where letters are larger.
    this.unit = parseFloat(getComputedStyle(document.documentElement).fontSize) / 16 * devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = '#000';
    context.fillRect(0, 0, width, height);
    const { slice, shows } = this, { shown, window: hu } = view;
    const key = (...what) => [view.maskVersion, this.plane, slice, ...what].join();
    const part = grid => cut(grid, axes, slice);
    this.place(this.pictures.get(['hu', view.version, this.plane, slice, ...hu].join(), () =>
      asGrey(part(view.hu), hu)), 1);
    if (shows === 'difference') {
      const picture = this.pictures.get(key('difference'), () =>
        view.difference && asDifference(part(view.difference)));
      if (shown.colour) this.place(picture, view.opacity);
    } else {
      const { alpha, trimap } = this.result;
      if (shown.colour) {
        this.place(this.pictures.get(key(shows, 'alpha'), () => asAlpha(part(alpha))), view.opacity);
      }
      if (shown.trimap) {
        this.place(this.pictures.get(key(shows, 'trimap'), () => asTrimap(part(trimap))), 1, false);
      }
    }
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.lineCap = context.lineJoin = 'round';
    if (shown.contours && shows !== 'difference') this.drawContours(this.result.alpha, shows, key);
    if (shown.marks) this.drawMarks();
    this.drawProfile();
    if (shown.crosshair) this.drawCrosshair();
    this.write();
  }

  // Lets the context count in voxels, from the centre or corner of the first.
  countVoxels({ top, left }, corner = 0) {
    const { context, axes, view: { spacing } } = this, first = [0, 0, 0];
    first[axes.down] = top - corner;
    first[axes.across] = left - corner;
    context.setTransform(spacing[axes.across] * this.scale, 0,
      0, axes.sign * spacing[axes.down] * this.scale, ...this.toScreen(first));
  }

  place(picture, opacity, smooth = this.view.shown.smooth) {
    if (!picture) return;
    const { context } = this;
    this.countVoxels(picture, 0.5);
    context.imageSmoothingEnabled = smooth;
    context.globalAlpha = opacity;
    context.drawImage(picture.canvas, 0, 0);
  }

  drawContours(alpha, shows, key) {
    const { context } = this;
    const levels = this.pictures.get(key(shows, 'contours'), () => {
      const part = cut(alpha, this.axes, this.slice);
      return part && this.view.lesion.levels.map(([level, colour]) =>
        [contours(part, 255 * level), colour, part]);
    });
    for (const [curves, colour, part] of levels ?? []) {
      this.countVoxels(part);
      context.beginPath();
      for (const curve of curves) {
        context.moveTo(...curve);
        for (let i = 2; i < curve.length; i += 2) context.lineTo(curve[i], curve[i + 1]);
        context.closePath();
      }
      context.setTransform(1, 0, 0, 1, 0, 0);
      this.stroke(`rgb(${colour})`, 1.5, 'rgb(0 0 0 / .55)');
    }
  }

  drawMarks() {
    const { context, view, axes: { through } } = this;
    context.beginPath();
    for (const { points, closed } of view.lesion.marks) {
      const away = points.map(point => point[through] - this.slice);
      if (away.every(a => Math.abs(a) <= 0.5)) {
        points.forEach((point, i) => context[i ? 'lineTo' : 'moveTo'](...this.toScreen(point)));
        if (closed) context.closePath();
        continue;
      }
      // Where a line passes through the plane there is a point.
      for (let i = 0, j; i < points.length - !closed; i++) {
        j = (i + 1) % points.length;
        if (away[i] * away[j] > 0 || away[i] === away[j]) continue;
        const part = away[i] / (away[i] - away[j]);
        const [x, y] = this.toScreen(points[i].map((p, a) => p + part * (points[j][a] - p)));
        const size = 3 * this.unit;
        for (const across of [size, -size]) {
          context.moveTo(x - across, y - size);
          context.lineTo(x + across, y + size);
        }
      }
    }
    this.stroke('#fff', 1.5, '#000');
  }

  drawProfile() {
    const { context, view, axes: { through } } = this;
    const [from, to] = view.profile;
    if ([from, to].some(p => Math.abs(p[through] - this.slice) > 0.5)) return;
    context.beginPath();
    context.moveTo(...this.toScreen(from));
    context.lineTo(...this.toScreen(to));
    context.setLineDash([6 * this.unit, 5 * this.unit]);
    this.stroke('#ff9cf2', 1.5);
    context.setLineDash([]);
  }

  drawCrosshair() {
    const { context, canvas, view, axes } = this, gap = 14 * this.unit;
    const [x, y] = this.toScreen(view.centre).map(v => Math.round(v) + 0.5);
    const { width, height } = canvas;
    for (const [axis, ...lines] of [
      [axes.down, [0, y, x - gap, y], [x + gap, y, width, y]],
      [axes.across, [x, 0, x, y - gap], [x, y + gap, x, height]],
    ]) {
      context.beginPath();
      for (const line of lines) {
        context.moveTo(...line);
        context.lineTo(...line.slice(2));
      }
      context.globalAlpha = 0.75;
      this.stroke(AXIS_COLOURS[axis], 1);
      context.globalAlpha = 1;
    }
  }

  stroke(colour, width, casing) {
    const { context } = this;
    if (casing) {
      context.strokeStyle = casing;
      context.lineWidth = (width + 2) * this.unit;
      context.stroke();
    }
    context.strokeStyle = colour;
    context.lineWidth = width * this.unit;
    context.stroke();
  }

  write() {
    const { canvas, context, view, axes } = this;
    const { width, height } = canvas, { unit } = this, size = Math.round(12.8 * unit);
    // Parts of what room there is, from left to right and from top to bottom.
    const put = (text, across, down, colour, lower = 0) => {
      const picture = words(text, size, colour), edge = size / 4;
      context.drawImage(picture,
        Math.round(edge + across * (width - picture.width - 2 * edge)),
        Math.round(edge + down * (height - picture.height - 2 * edge) + lower));
    };
    const [left, right, top, bottom] = axes.sides, soft = '#dde2e6';
    put(this.title(), 0, 0, AXIS_COLOURS[axes.through]);
    put(NOTICE, 1, 1, '#ffcf70');
    put(left, 0, 0.5, soft);
    put(right, 1, 0.5, soft);
    // Clear of the title and of the notice, where a pane is narrow.
    put(top, 0.5, 0, soft, 1.5 * size);
    put(bottom, 0.5, 1, soft, -1.5 * size);
    const mm = SCALES_MM.findLast(n => n * this.scale <= width / 4) ?? 1;
    for (const [colour, more] of [['#000', unit], [soft, 0]]) {
      context.fillStyle = colour;
      context.fillRect(size / 2 - more, height - size / 2 - 2 * unit - more,
        mm * this.scale + 2 * more, 2 * unit + 2 * more);
    }
    put(`${mm} mm`, 0, 1, soft, -5 * unit);
    if (view.active === this.plane && document.activeElement === canvas) {
      context.strokeStyle = '#8ec5ff';
      context.lineWidth = 2 * unit;
      context.strokeRect(0, 0, width, height);
    }
  }

  title() {
    const { view, axes } = this;
    const away = (this.slice - Math.round(view.lesion.start[axes.through])) * view.spacing[axes.through];
    const where = `${axes.name} ${away > 0 ? '+' : away < 0 ? '−' : ''}${Math.abs(away).toFixed(1)} mm`;
    if (this.shows === 'difference') return `${where}, difference`;
    return view.other ? `${where}, ${this.result.method}` : where;
  }

  // Mouse, pen and touch.

  down(event) {
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, event);
    if (this.fingers.size > 1) { this.doing = 'pinch'; return; }
    const { view } = this;
    this.doing = event.button === 2 ? 'window' : event.button === 1 || event.shiftKey ? 'pan' : view.tool;
    if (this.doing === 'profile') view.profile = [this.toLattice(event), this.toLattice(event)];
    this.drag(event, 0, 0);
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (this.doing === 'pinch') this.pinch(event, dx, dy);
    else this.drag(event, dx, dy);
    this.fingers.set(event.pointerId, event);
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    if (this.fingers.size === 0) { this.view.ended?.(this.doing, this); this.doing = undefined; }
  }

  drag(event, dx, dy) {
    const { view } = this;
    switch (this.doing) {
      case 'crosshair': view.moveTo(this.toLattice(event)); break;
      case 'window': {
        const [low, high] = view.window, centre = (low + high) / 2 + HU_A_PIXEL * dy;
        const width = Math.max(1, high - low + HU_A_PIXEL * dx);
        if (dx || dy) view.setWindow(centre - width / 2, centre + width / 2);
        break;
      }
      case 'pan': this.pan(dx, dy); break;
      case 'zoom': view.zoomBy(Math.exp(-dy / 150)); break;
      case 'profile': view.profile = [view.profile[0], this.toLattice(event)]; view.changed(); break;
      default: view.dragged?.(this.doing, this, event);
    }
  }

  pan(dx, dy) {
    const { axes, view } = this, more = devicePixelRatio / this.scale;
    view.panBy(this.plane, -axes.sign * dy * more / view.spacing[axes.down],
      -dx * more / view.spacing[axes.across]);
  }

  // Two fingers: what lies between them stays there.
  pinch(event, dx, dy) {
    const [other] = [...this.fingers.values()].filter(f => f.pointerId !== event.pointerId);
    const before = this.fingers.get(event.pointerId);
    const apart = f => Math.hypot(f.clientX - other.clientX, f.clientY - other.clientY);
    this.zoomAt({ clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 },
      apart(event) / Math.max(1, apart(before)));
    this.pan(dx / 2, dy / 2);
  }

  zoomAt(event, factor) {
    const before = this.toLattice(event);
    this.view.zoomBy(factor);
    const after = this.toLattice(event), { down, across } = this.axes;
    this.view.panBy(this.plane, before[down] - after[down], before[across] - after[across]);
  }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) { this.zoomAt(event, Math.exp(-event.deltaY / 200)); return; }
    // A trackpad tells many small steps.
    this.turned = (this.turned ?? 0) + event.deltaY * (event.deltaMode === 1 ? 33 : 1);
    const steps = Math.trunc(this.turned / 50);
    if (steps === 0) return;
    this.turned -= 50 * steps;
    this.view.step(this.axes.through, -Math.sign(steps) * Math.min(5, Math.ceil(Math.abs(steps) / 2)));
  }
}
