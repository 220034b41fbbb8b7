// Everything that the keyboard does, and the panel that says so.
import { PLANES } from './planes.js';

const tool = name => controls => controls.chooseTool(name);
const toggle = name => controls => controls.toggle(name);
const preset = name => ({ view }) => view.preset(name);
const byWindow = (centre, width) => ({ view }) => {
  const [low, high] = view.window;
  view.setWindow(low + centre - width / 2, high + centre + width / 2);
};
// Along the active plane: in the direction that the arrow points on the screen.
const inPlane = (down, across, act) => ({ view }) => {
  const plane = PLANES[view.active];
  act(view, plane, plane.sign * down, across);
};
const step = (down, across) => inPlane(down, across, (view, plane, d, a) =>
  view.step(d ? plane.down : plane.across, d || a));
const pan = (down, across) => inPlane(down, across, (view, _plane, d, a) =>
  view.panBy(view.active, 5 * d, 5 * a));
const scroll = n => ({ view }) => view.step(PLANES[view.active].through, n);

// [keys as pressed, as named in the panel, what they do, action]
export const KEYS = [
  [['ArrowUp'], '↑', 'Crosshair up in the plane', step(-1, 0)],
  [['ArrowDown'], '↓', 'Crosshair down', step(1, 0)],
  [['ArrowLeft'], '←', 'Crosshair to the left', step(0, -1)],
  [['ArrowRight'], '→', 'Crosshair to the right', step(0, 1)],
  [['PageUp', '.'], 'Page up or .', 'Next slice', scroll(1)],
  [['PageDown', ','], 'Page down or ,', 'Slice before', scroll(-1)],
  [['Shift+PageUp', '>'], 'Shift + Page up', 'Five slices on', scroll(5)],
  [['Shift+PageDown', '<'], 'Shift + Page down', 'Five slices back', scroll(-5)],
  [['Shift+ArrowUp'], 'Shift + ↑', 'Look further up', pan(-1, 0)],
  [['Shift+ArrowDown'], 'Shift + ↓', 'Look further down', pan(1, 0)],
  [['Shift+ArrowLeft'], 'Shift + ←', 'Look further left', pan(0, -1)],
  [['Shift+ArrowRight'], 'Shift + →', 'Look further right', pan(0, 1)],
  [['+', '='], '+', 'Closer', ({ view }) => view.zoomBy(1.25)],
  [['-', '_'], '−', 'Farther', ({ view }) => view.zoomBy(0.8)],
  [['0', 'Home'], '0', 'As at first', ({ view }) => view.home()],
  [['1'], '1', 'Window for lung', preset('lung')],
  [['2'], '2', 'Window for mediastinum', preset('mediastinum')],
  [['3'], '3', 'Window for bone', preset('bone')],
  [['4'], '4', 'Window as found', preset('start')],
  [['Alt+ArrowUp'], 'Alt + ↑', 'Window centre up by 20 HU', byWindow(20, 0)],
  [['Alt+ArrowDown'], 'Alt + ↓', 'Window centre down by 20 HU', byWindow(-20, 0)],
  [['Alt+ArrowRight'], 'Alt + →', 'Window wider by 40 HU', byWindow(0, 40)],
  [['Alt+ArrowLeft'], 'Alt + ←', 'Window narrower by 40 HU', byWindow(0, -40)],
  [['['], '[', 'Alpha fainter', ({ view }) => view.setOpacity(view.opacity - 0.05)],
  [[']'], ']', 'Alpha stronger', ({ view }) => view.setOpacity(view.opacity + 0.05)],
  [['a'], 'A', 'Alpha as colour', toggle('colour')],
  [['c'], 'C', 'Contours at 25, 50 and 75 %', toggle('contours')],
  [['t'], 'T', 'Trimap', toggle('trimap')],
  [['m'], 'M', 'The reader’s mark', toggle('marks')],
  [['x'], 'X', 'Crosshair', toggle('crosshair')],
  [['i'], 'I', 'Smooth between voxels, or voxels as they are', toggle('smooth')],
  [['w'], 'W', 'Whole slices', toggle('whole')],
  [['v'], 'V', 'Drag moves the crosshair', tool('crosshair')],
  [['d'], 'D', 'Drag changes the window', tool('window')],
  [['g'], 'G', 'Drag pans', tool('pan')],
  [['z'], 'Z', 'Drag zooms', tool('zoom')],
  [['p'], 'P', 'Drag lays the line of the profile', tool('profile')],
  [['h'], 'H', 'Profile through the crosshair, across the plane',
    ({ view }) => profile(view, 'across')],
  [['Shift+H'], 'Shift + H', 'Profile through the crosshair, down the plane',
    ({ view }) => profile(view, 'down')],
  [['n'], 'N', 'Next plane for keys and comparisons', controls => controls.nextPlane()],
  [['k'], 'K', 'Compare with the next method', controls => controls.nextMethod(1)],
  [['Shift+K'], 'Shift + K', 'Compare with the method before', controls => controls.nextMethod(-1)],
  [['b'], 'B', 'Drag paints the trimap', tool('brush')],
  [['u'], 'U', 'What the brush paints: lesion, unknown, background', ({ judge }) => judge.nextPaint()],
  [['{'], '{', 'Smaller brush', ({ judge }) => judge.resize(0.8)],
  [['}'], '}', 'Larger brush', ({ judge }) => judge.resize(1.25)],
  [[' '], 'Space', 'Paint at the crosshair', ({ judge, view }) => judge.stroke(view.active)],
  [['Backspace'], 'Backspace', 'Take the last stroke back', ({ judge }) => judge.undo()],
  [['?', 'F1'], '?', 'This panel', controls => controls.help()],
];

const BY_HAND = [
  ['Tab', 'From plane to plane, and to the controls'],
  ['Wheel', 'Slices; with Ctrl closer or farther'],
  ['Right button', 'Drag changes the window'],
  ['Middle button', 'Drag pans; so does Shift'],
  ['One finger', 'As chosen under Drag'],
  ['Two fingers', 'Pinch to zoom, move to pan'],
];

function profile(view, along) {
  view.profile = view.profileThrough(view.centre.map(Math.round), PLANES[view.active][along]);
  view.changed();
}

export function pressed(event) {
  const { key } = event;
  const shifted = event.shiftKey && (key.length > 1 || /^[A-Z]$/.test(key));
  const named = key.length === 1 && !shifted ? key.toLowerCase() : key;
  return `${event.altKey ? 'Alt+' : ''}${shifted ? 'Shift+' : ''}${named}`;
}

export function listen(controls) {
  const actions = new Map(KEYS.flatMap(([keys, , , act]) => keys.map(key => [key, act])));
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return;
    // Fields and lists keep what they understand themselves.
    const { type, localName } = event.target;
    const field = ['select', 'textarea'].includes(localName) ||
      (localName === 'input' && type !== 'checkbox' && type !== 'radio');
    if (field) return;
    if (localName === 'input' && event.key.startsWith('Arrow') && !event.altKey) return;
    // A space presses what has the focus.
    if (event.key === ' ' && ['button', 'input', 'a'].includes(localName)) return;
    const act = actions.get(pressed(event));
    if (!act) return;
    event.preventDefault();
    act(controls);
  });
}

export function writeKeys(panel) {
  for (const [, name, what] of [...KEYS, ...BY_HAND.map(([name, what]) => [, name, what])]) {
    const row = document.createElement('div'), key = document.createElement('kbd');
    key.textContent = name;
    row.append(key, what);
    panel.append(row);
  }
}
