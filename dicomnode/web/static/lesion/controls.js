// The controls beside the planes: they show what the view holds, and change it.
import { body } from './body.js';
import { compare, difference, figures } from './comparison.js';

const $ = id => document.getElementById(id);
const SIDES = [['F', 'H'], ['A', 'P'], ['R', 'L']];

export class Controls {
  constructor(view) {
    this.view = view;
    for (const radio of document.querySelectorAll('input[name=tool]')) {
      radio.addEventListener('change', () => this.chooseTool(radio.value));
    }
    $('preset').addEventListener('change', event => view.preset(event.target.value));
    for (const id of ['window-centre', 'window-width']) {
      $(id).addEventListener('change', () => {
        const centre = Number($('window-centre').value), width = Number($('window-width').value);
        view.setWindow(centre - width / 2, centre + width / 2);
      });
    }
    for (const name of [...Object.keys(view.shown), 'whole']) {
      $(`show-${name}`).addEventListener('change', () => this.toggle(name));
    }
    $('opacity').addEventListener('input', event => view.setOpacity(event.target.value / 100));
    $('method').addEventListener('change', event => this.compareWith(event.target.value));
    $('plane').addEventListener('change', event => this.lookAt(event.target.value));
    $('help-open').addEventListener('click', () => this.help());
  }

  // Shows what the view holds now; a field that somebody types in is left alone.
  show() {
    const { view } = this;
    const put = (id, value) => { if (document.activeElement !== $(id)) $(id).value = value; };
    $('preset').value = view.presetName();
    put('window-centre', Math.round((view.window[0] + view.window[1]) / 2));
    put('window-width', Math.round(view.window[1] - view.window[0]));
    put('opacity', Math.round(view.opacity * 100));
    for (const [name, on] of Object.entries(view.shown)) $(`show-${name}`).checked = on;
    $('plane').value = view.active;
    $('readout').textContent = this.readout();
  }

  readout() {
    const { view } = this, place = view.centre.map(Math.round);
    const where = place.map((p, a) => {
      const mm = (p - view.lesion.start[a]) * view.spacing[a];
      return `${SIDES[a][mm < 0 ? 0 : 1]} ${Math.abs(mm).toFixed(1)}`;
    }).reverse().join(', ');
    const alpha = (view.own.alpha.at(place) ?? 0) / 255;
    const other = view.other ? `, ${view.other.method} ${((view.other.alpha.at(place) ?? 0) / 255).toFixed(2)}` : '';
    return `${String(view.hu.at(place) ?? '–').replace('-', '−')} HU, alpha ${alpha.toFixed(2)}${other}; ${where} mm from the mark`;
  }

  chooseTool(name) {
    this.view.tool = name;
    document.querySelector(`input[name=tool][value=${name}]`).checked = true;
    if (name === 'brush') this.judge.begin();
  }

  toggle(name) {
    if (name === 'whole') this.whole();
    else this.view.toggle(name);
  }

  // The CT out to the edges of its slices comes when it is asked for.
  async whole() {
    const { view } = this, box = $('show-whole');
    const wanted = box.checked = this.wide = !this.wide;
    await this.telling('Reading whole slices', async () => {
      if (wanted) this.wholeHu ??= (await body(`/lesions/${view.lesion.id}/slices`)).hu;
      if (this.wide !== wanted) return;
      view.hu = wanted ? this.wholeHu : view.lesion.hu;
      view.moveTo(view.centre);
      view.voxelsChanged();
    });
    box.checked = this.wide = view.hu !== view.lesion.hu;
  }

  // The plane that keys act on, and that results are compared on.
  lookAt(plane) {
    this.view.active = plane;
    if (document.activeElement?.localName === 'canvas' && !this.view.other) $(plane).focus();
    this.view.layout();
  }

  nextPlane() {
    const names = [...$('plane').options].map(option => option.value);
    this.lookAt(names[(names.indexOf(this.view.active) + 1) % names.length]);
  }

  nextMethod(step) {
    const list = $('method');
    list.selectedIndex = (list.selectedIndex + step + list.length) % list.length;
    this.compareWith(list.value);
  }

  async compareWith(method) {
    const { view } = this;
    const done = await this.telling(method ? `Computing ${method} (Esc leaves it)` : '', () => compare(view, method));
    if (!done) { $('method').value = ''; await compare(view, ''); }
    this.layout();
  }

  compareNoMore() {
    $('method').value = '';
    this.compareWith('');
  }

  // The lesion's own result is another one now.
  compareAgain() {
    const { view } = this;
    view.difference = view.other && difference(view.own.alpha, view.other.alpha);
    view.masksChanged();
    this.layout();
  }

  layout() {
    const { view } = this, table = $('difference');
    table.hidden = !view.other;
    if (view.other) fill(table, figures(view));
    view.layout();
  }

  help() { $('help').showModal(); }

  // Says what is being done until it is, and for how long; a failure stays to be read.
  async telling(words, work) {
    const told = $('told'), start = Date.now();
    clearInterval(this.ticks);
    const mine = this.ticks = setInterval(() => {
      told.dataset.seconds = Math.round((Date.now() - start) / 1000);
    }, 1000);
    delete told.dataset.seconds;
    told.textContent = words;
    let failure = '';
    await work().catch(error => { failure = error.message; });
    if (this.ticks === mine) {
      clearInterval(mine);
      delete told.dataset.seconds;
      told.textContent = failure;
    }
    return !failure;
  }
}

export function fill(table, rows) {
  table.tBodies[0].replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement('tr'), head = document.createElement('th');
    head.scope = 'row';
    head.textContent = name;
    row.append(head);
    row.insertCell().textContent = value;
    return row;
  }));
}
