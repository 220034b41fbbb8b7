// The lesion page: reads the lesion, draws it, listens.
import { asked, body } from './body.js';
import { drawHistogram, drawLegend, drawProfile } from './charts.js';
import { Controls, fill } from './controls.js';
import { Judge } from './judge.js';
import { listen, writeKeys } from './keys.js';
import { Pane } from './pane.js';
import { PLANES } from './planes.js';
import { View } from './view.js';

const $ = id => document.getElementById(id);
const address = `/lesions/${$('viewer').dataset.lesion}`;

async function begin() {
  writeKeys($('keys'));
  const view = new View(await body(`${address}/volume`));
  const panes = Object.keys(PLANES).map(name => new Pane($(name), name, view));
  const controls = new Controls(view);
  const names = Object.keys(PLANES), shows = ['own', 'other', 'difference'];
  // Three planes of one result; or one plane of two results, and their difference.
  view.layout = () => {
    panes.forEach((pane, i) => {
      pane.plane = view.other ? view.active : names[i];
      pane.shows = view.other ? shows[i] : 'own';
      pane.canvas.setAttribute('aria-label', `${PLANES[pane.plane].name} plane, ${
        view.other ? `${shows[i]} result` : 'keys as under Help'}`);
    });
    view.changed();
  };
  view.listeners.push(() => {
    const start = performance.now();
    for (const pane of panes) pane.draw();
    performance.measure('redraw', { start });
    controls.show();
    drawProfile($('profile'), view);
    drawHistogram($('histogram'), view);
    drawLegend($('legend'), view);
    if ($('viewer').dataset.drawn) return;
    $('viewer').dataset.drawn = 'yes';
    performance.mark('first-lesion');
    $('told').textContent = '';
    measure();
  });
  $('about').textContent = `Method ${view.own.method}; alpha: ${view.own.means}. Voxels of ${
    view.spacing.map(s => s.toFixed(2)).reverse().join(' × ')} mm.`;
  const judge = controls.judge = new Judge(view, controls, address);
  listen(controls);
  view.changed();
  // For whoever drives the page: tests, and the console.
  globalThis.lesion = { view, panes, controls, judge };
}

async function measure() {
  try {
    const rows = await (await asked(`${address}/measurements`)).json();
    fill($('measured'), rows.length ? rows.map(({ name, value, unit }) => [name, `${value} ${unit}`])
      : [['Alpha is weighted by density and measures no size', '']]);
  } catch (error) {
    fill($('measured'), [[error.message, '']]);
  }
}

begin().catch(error => { $('told').textContent = error.message; });
