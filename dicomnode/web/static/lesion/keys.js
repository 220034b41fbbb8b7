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

const ARROWS = [
  ['Up', '↑', 'up', -1, 0], ['Down', '↓', 'down', 1, 0],
  ['Left', '←', 'to the left', 0, -1], ['Right', '→', 'to the right', 0, 1],
];

// [key or keys as pressed, what they do, action, as named in the panel where that is not the key]
export const KEYS = [
  ...ARROWS.map(([name, arrow, way, down, across]) =>
    [`Arrow${name}`, `Crosshair ${way}`, step(down, across), arrow]),
  [['PageUp', '.'], 'Next slice', scroll(1), 'Page up or .'],
  [['PageDown', ','], 'Slice before', scroll(-1), 'Page down or ,'],
  [['Shift+PageUp', '>'], 'Five slices on', scroll(5), 'Shift + Page up'],
  [['Shift+PageDown', '<'], 'Five slices back', scroll(-5), 'Shift + Page down'],
  ...ARROWS.map(([name, arrow, way, down, across]) =>
    [`Shift+Arrow${name}`, `Look further ${way}`, pan(down, across), `Shift + ${arrow}`]),
  [['+', '='], 'Closer', ({ view }) => view.zoomBy(1.25), '+'],
  [['-', '_'], 'Farther', ({ view }) => view.zoomBy(0.8), '−'],
  [['0', 'Home'], 'As at first', ({ view }) => view.home(), '0'],
  ...['lung', 'mediastinum', 'bone'].map((name, i) => [`${i + 1}`, `Window for ${name}`, preset(name)]),
  ['4', 'Window as found', preset('start')],
  ['Alt+ArrowUp', 'Window centre up by 20 HU', byWindow(20, 0), 'Alt + ↑'],
  ['Alt+ArrowDown', 'Window centre down by 20 HU', byWindow(-20, 0), 'Alt + ↓'],
  ['Alt+ArrowRight', 'Window wider by 40 HU', byWindow(0, 40), 'Alt + →'],
  ['Alt+ArrowLeft', 'Window narrower by 40 HU', byWindow(0, -40), 'Alt + ←'],
  ['[', 'Alpha fainter', ({ view }) => view.setOpacity(view.opacity - 0.05)],
  [']', 'Alpha stronger', ({ view }) => view.setOpacity(view.opacity + 0.05)],
  ['a', 'Alpha as colour', toggle('colour')],
  ['c', 'Contours at 25, 50 and 75 %', toggle('contours')],
  ['t', 'Trimap', toggle('trimap')],
  ['m', 'The reader’s mark', toggle('marks')],
  ['x', 'Crosshair', toggle('crosshair')],
  ['i', 'Smooth between voxels, or voxels as they are', toggle('smooth')],
  ['w', 'Whole slices', toggle('whole')],
  ['v', 'Drag moves the crosshair', tool('crosshair')],
  ['d', 'Drag changes the window', tool('window')],
  ['g', 'Drag pans', tool('pan')],
  ['z', 'Drag zooms', tool('zoom')],
  ['p', 'Drag lays the line of the profile', tool('profile')],
  ['h', 'Profile through the crosshair, across the plane',
    ({ view }) => profile(view, 'across')],
  ['Shift+H', 'Profile through the crosshair, down the plane',
    ({ view }) => profile(view, 'down'), 'Shift + H'],
  ['n', 'Next plane for keys and comparisons', controls => controls.nextPlane()],
  ['k', 'Compare with the next method', controls => controls.nextMethod(1)],
  ['Shift+K', 'Compare with the method before', controls => controls.nextMethod(-1), 'Shift + K'],
  ['Escape', 'Compare no more', controls => controls.compareNoMore(), 'Esc'],
  ['b', 'Drag paints the trimap', tool('brush')],
  ['u', 'What the brush paints: lesion, unknown, background', ({ judge }) => judge.nextPaint()],
  ['{', 'Smaller brush', ({ judge }) => judge.resize(0.8)],
  ['}', 'Larger brush', ({ judge }) => judge.resize(1.25)],
  [' ', 'Paint at the crosshair', ({ judge, view }) => judge.stroke(view.active), 'Space'],
  ['Backspace', 'Take the last stroke back', ({ judge }) => judge.undo(), 'Backspace'],
  [['?', 'F1'], 'This panel', controls => controls.help(), '?'],
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
  const actions = new Map(KEYS.flatMap(([keys, , act]) => [keys].flat().map(key => [key, act])));
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return;
    // Fields and lists keep what they understand themselves.
    const { type, localName } = event.target;
    if (['select', 'textarea'].includes(localName)) return;
    if (localName === 'input' && type !== 'checkbox' && type !== 'radio') return;
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
  for (const [keys, what, , name = keys.toUpperCase()] of KEYS) {
    const row = document.createElement('div'), key = document.createElement('kbd');
    key.textContent = name;
    row.append(key, what);
    panel.append(row);
  }
}
