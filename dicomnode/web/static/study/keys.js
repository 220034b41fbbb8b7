// What the keyboard does on the page of a case, and the panel that says so.
import { PLANES } from '../lesion/planes.js';

// What can be shown of all candidates alike.
export const SHOWN = ['colour', 'contours', 'crosshair', 'smooth'];

const toggle = name => ({ view }) => view.toggle(name);
const scroll = n => ({ view }) => view.step(PLANES[view.active].through, n);

// [keys as pressed, as named in the panel, what they do, action]
export const KEYS = [
  [['Enter'], 'Enter', 'Save, and on to the next case', reading => reading.save()],
  [['n'], 'N', 'Next case; what was chosen is saved', reading => reading.go(document.getElementById('next')?.href)],
  [['p'], 'P', 'Case before; what was chosen is saved', reading => reading.go(document.getElementById('before')?.href)],
  [['ArrowUp', 'PageUp', '.'], '↑ or Page up', 'Next slice', scroll(1)],
  [['ArrowDown', 'PageDown', ','], '↓ or Page down', 'Slice before', scroll(-1)],
  [['Shift+ArrowUp', 'Shift+PageUp'], 'Shift + ↑', 'Five slices on', scroll(5)],
  [['Shift+ArrowDown', 'Shift+PageDown'], 'Shift + ↓', 'Five slices back', scroll(-5)],
  [['ArrowRight'], '→', 'Next plane: axial, coronal, sagittal', reading => reading.nextPlane(1)],
  [['ArrowLeft'], '←', 'Plane before', reading => reading.nextPlane(-1)],
  [['t'], 'T', 'All three planes of one candidate, or all candidates', reading => reading.toggleAll()],
  [['w'], 'W', 'Next window: as found, lung, mediastinum, bone', reading => reading.nextWindow()],
  [['+', '='], '+', 'Closer', ({ view }) => view.zoomBy(1.25)],
  [['-', '_'], '−', 'Farther', ({ view }) => view.zoomBy(0.8)],
  [['0', 'Home'], '0', 'As at first', ({ view }) => view.home()],
  [['o'], 'O', 'Colour of all candidates', toggle('colour')],
  [['l'], 'L', 'Outline of all candidates, at half', toggle('contours')],
  [['['], '[', 'Colour fainter', ({ view }) => view.setOpacity(view.opacity - 0.1)],
  [[']'], ']', 'Colour stronger', ({ view }) => view.setOpacity(view.opacity + 0.1)],
  [['x'], 'X', 'Crosshair', toggle('crosshair')],
  [['i'], 'I', 'Smooth between voxels, or voxels as they are', toggle('smooth')],
  [['?', 'F1'], '?', 'This panel', reading => reading.help()],
];

const BY_HAND = [
  ['A, B, C, …', 'Choose; so do 1, 2, 3, …'],
  ['Tab', 'From picture to picture, and to the controls'],
  ['Wheel', 'Slices; with Ctrl closer or farther'],
  ['Right button', 'Drag changes the window'],
  ['Middle button', 'Drag pans; so does Shift'],
  ['One finger', 'As chosen under Drag'],
  ['Two fingers', 'Pinch to zoom, move to pan'],
];

export function writeKeys(panel) {
  for (const [name, what] of [...BY_HAND.slice(0, 1), ...KEYS.map(([, name, what]) => [name, what]), ...BY_HAND.slice(1)]) {
    const row = document.createElement('div'), key = document.createElement('kbd');
    key.textContent = name;
    row.append(key, what);
    panel.append(row);
  }
}
