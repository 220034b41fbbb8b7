// Profile along a line, histogram, and the legend of colours.
import { ALPHA_COLOURS } from './colours.js';

const BINS = 60;
const SAMPLES_MM = 0.25;
const ALPHA_LINE = '#8fdca6', HU_LINE = '#e8eaec', SOFT = '#a9b1b8', RULE = '#3a4148';

// A canvas of its size on the page, in page pixels; nothing where it shows all already.
function prepared(canvas, ...shown) {
  const width = canvas.clientWidth, height = canvas.clientHeight, more = devicePixelRatio;
  const size = parseFloat(getComputedStyle(document.documentElement).fontSize) * 0.75;
  const key = [width, height, more, size, ...shown].join();
  if (canvas.shown === key) return undefined;
  canvas.shown = key;
  canvas.width = Math.round(width * more);
  canvas.height = Math.round(height * more);
  const context = canvas.getContext('2d');
  context.setTransform(more, 0, 0, more, 0, 0);
  context.font = `${size}px system-ui, sans-serif`;
  return { context, width, height, size };
}

function words(context, text, x, y, align, colour = SOFT, baseline = 'alphabetic') {
  Object.assign(context, { textAlign: align, fillStyle: colour, textBaseline: baseline });
  context.fillText(text, x, y);
}

function rounded(step) {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * [1, 2, 5, 10].find(n => n * power >= step);
}

// HU and alpha at steps along a line, in mm from its start.
export function sampled(view) {
  const [from, to] = view.profile, length = view.lengthMm(from, to);
  const count = Math.max(2, Math.min(2000, Math.round(length / SAMPLES_MM) + 1));
  const { alpha } = view.own;
  return Array.from({ length: count }, (_, i) => {
    const part = i / (count - 1), place = from.map((f, a) => f + part * (to[a] - f));
    return { mm: part * length, hu: view.hu.between(place), alpha: alpha.between(place, 0) / 255 };
  });
}

export function drawProfile(canvas, view) {
  const found = prepared(canvas, view.version, view.maskVersion, view.profile);
  if (!found) return;
  const { context, width, height, size } = found;
  const points = sampled(view).filter(point => point.hu !== undefined);
  if (points.length < 2) {
    words(context, 'The line lies outside of the CT that is here.', width / 2, height / 2, 'center');
    return;
  }
  const left = size * 3.6, right = width - size * 2.6, top = size * 1.8, bottom = height - size * 1.6;
  const hu = points.map(point => point.hu);
  const step = rounded(Math.max(40, Math.max(...hu) - Math.min(...hu)) / 3);
  const low = Math.floor(Math.min(...hu) / step) * step, high = Math.ceil(Math.max(...hu) / step) * step || step;
  const length = points.at(-1).mm || 1;
  const x = mm => left + mm / length * (right - left);
  const yHu = value => bottom - (value - low) / (high - low) * (bottom - top);
  const yAlpha = value => bottom - value * (bottom - top);
  context.lineWidth = 1;
  context.strokeStyle = RULE;
  for (let value = low; value <= high; value += step) {
    context.beginPath();
    context.moveTo(left, yHu(value));
    context.lineTo(right, yHu(value));
    context.stroke();
    words(context, String(value).replace('-', '−'), left - 4, yHu(value), 'right', HU_LINE, 'middle');
  }
  for (const value of [0, 0.5, 1]) {
    words(context, String(value), right + 4, yAlpha(value), 'left', ALPHA_LINE, 'middle');
  }
  const across = rounded(length / 5);
  for (let mm = 0; mm <= length; mm += across) {
    words(context, `${+mm.toFixed(1)}`, x(mm), bottom + size * 1.3, 'center');
  }
  words(context, 'HU', left - 4, size, 'right', HU_LINE);
  words(context, `along ${length.toFixed(1)} mm`, (left + right) / 2, size, 'center');
  words(context, 'alpha', right + size * 2.4, size, 'right', ALPHA_LINE);
  for (const [colour, y, dash] of [[HU_LINE, p => yHu(p.hu), []], [ALPHA_LINE, p => yAlpha(p.alpha), [5, 3]]]) {
    context.beginPath();
    points.forEach((point, i) => context[i ? 'lineTo' : 'moveTo'](x(point.mm), y(point)));
    context.strokeStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.stroke();
  }
  context.setLineDash([]);
}

// Voxels of the soft mask's box in bins of HU: of the lesion, each by its alpha, and of the rest.
export function histogram(view) {
  const { alpha } = view.own, values = [], weights = [];
  let index = 0, low = Infinity, high = -Infinity;
  for (const place of alpha.places()) {
    const hu = view.lesion.hu.at(place), weight = alpha.data[index++] / 255;
    if (hu === undefined) continue;
    const clipped = Math.min(1500, Math.max(-1024, hu));
    values.push(clipped);
    weights.push(weight);
    low = Math.min(low, clipped);
    high = Math.max(high, clipped);
  }
  const width = Math.max(1, (high - low) / BINS), lesion = new Float64Array(BINS), rest = new Float64Array(BINS);
  values.forEach((value, i) => {
    const bin = Math.min(BINS - 1, Math.floor((value - low) / width));
    lesion[bin] += weights[i];
    rest[bin] += 1 - weights[i];
  });
  return { low, width, lesion, rest };
}

export function drawHistogram(canvas, view) {
  const found = prepared(canvas, view.maskVersion);
  if (!found) return;
  const { context, width, height, size } = found, { low, width: bin, lesion, rest } = histogram(view);
  const left = size * 0.5, right = width - size * 0.5, top = size * 1.6, bottom = height - size * 1.4;
  const x = hu => left + (hu - low) / (bin * BINS) * (right - left);
  // Each with its own greatest bin: around a small lesion there is far more.
  for (const [bins, fill, line] of [[rest, '#6c7680', '#8b96a0'], [lesion, 'rgb(143 220 166 / .55)', ALPHA_LINE]]) {
    const most = Math.max(...bins) || 1;
    context.beginPath();
    context.moveTo(left, bottom);
    bins.forEach((count, i) => {
      const y = bottom - count / most * (bottom - top);
      context.lineTo(x(low + i * bin), y);
      context.lineTo(x(low + (i + 1) * bin), y);
    });
    context.lineTo(right, bottom);
    context.closePath();
    context.fillStyle = fill;
    context.fill();
    context.strokeStyle = line;
    context.lineWidth = 1.5;
    context.stroke();
  }
  words(context, 'lesion, by alpha', right, size, 'right', ALPHA_LINE);
  words(context, 'around it', left, size, 'left', '#b3bcc4');
  const step = rounded(bin * BINS / 5);
  for (let hu = Math.ceil(low / step) * step; hu <= low + bin * BINS; hu += step) {
    words(context, `${String(hu).replace('-', '−')}`, Math.min(right - size, Math.max(left + size, x(hu))), bottom + size * 1.2, 'center');
  }
}

export function drawLegend(canvas, view) {
  const found = prepared(canvas, view.opacity);
  if (!found) return;
  const { context, width, size } = found, bar = size, left = size, right = width - size;
  const x = alpha => left + alpha * (right - left);
  // As over middle grey, which lies between lung and soft tissue.
  ALPHA_COLOURS.forEach((colour, i) => {
    const opacity = view.opacity * Math.min(1, i / 25.5);
    context.fillStyle = `rgb(${colour.map(c => Math.round(c * opacity + 128 * (1 - opacity)))})`;
    context.fillRect(x(i / 256), 0, (right - left) / 256 + 1, bar);
  });
  for (const [level, colour] of view.lesion.levels) {
    context.fillStyle = '#000';
    context.fillRect(x(level) - 2.5, 0, 5, bar + 4);
    context.fillStyle = `rgb(${colour})`;
    context.fillRect(x(level) - 1.5, 0, 3, bar + 4);
    words(context, `${Math.round(level * 100)} %`, x(level), bar + size * 1.4, 'center', `rgb(${colour})`);
  }
  words(context, '0', x(0), bar + size * 1.4, 'center');
  words(context, 'alpha 1', x(1) + size * 0.5, bar + size * 1.4, 'right');
}
