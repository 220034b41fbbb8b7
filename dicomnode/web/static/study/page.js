// The page of one case of a reader study: candidates beside one another, and the answer.
import { asked, body } from '../lesion/body.js';
import { pressed } from '../lesion/keys.js';
import { Pane } from '../lesion/pane.js';
import { PLANES, WINDOWS } from '../lesion/planes.js';
import { View } from '../lesion/view.js';
import { SHOWN, writeKeys, KEYS } from './keys.js';

const $ = id => document.getElementById(id);
const form = $('answer'), viewer = $('viewer');
const NAMES = Object.keys(PLANES);

// One candidate on one plane, or the CT alone; nothing but its letter says which it is.
class CandidatePane extends Pane {
  constructor(canvas, plane, view, letter) {
    super(canvas, plane, view);
    this.letter = letter;
  }

  get letter() { return this.shows === 'difference' ? '' : this.shows; }

  // Without a letter the CT alone, as a difference from nothing.
  set letter(letter) { this.shows = letter || 'difference'; }

  get result() { return { alpha: this.view.lesion[this.letter] }; }

  drawMarks() {}

  drawProfile() {}

  title() {
    const { view, axes } = this;
    const away = (this.slice - view.lesion.start[axes.through]) * view.spacing[axes.through];
    const mm = `${away > 0 ? '+' : away < 0 ? '−' : ''}${Math.abs(away).toFixed(1)} mm`;
    return `${this.letter ? `${this.letter}, ` : ''}${axes.name.toLowerCase()} ${mm}`;
  }
}

// Seconds for which somebody could see the case.
class Watch {
  constructor() {
    this.before = 0;
    this.since = null;
    document.addEventListener('visibilitychange', () => this.turn());
  }

  start() { this.running = true; this.turn(); }

  turn() {
    const now = performance.now();
    if (this.since !== null) this.before += now - this.since;
    this.since = this.running && !document.hidden ? now : null;
  }

  get seconds() { this.turn(); return this.before / 1000; }
}

export class Reading {
  constructor(view, letters) {
    Object.assign(this, { view, letters, watch: new Watch(), all: false, dirty: false });
    const pane = canvas => new CandidatePane(canvas, 'axial', view, canvas.dataset.letter);
    this.beside = [...$('beside').querySelectorAll('canvas')].map(pane);
    this.planes = [...$('planes').querySelectorAll('canvas')].map(pane);
    this.planes.forEach((one, i) => { one.plane = NAMES[i]; });
    this.letter = form.elements.chosen.value || letters[0];
    view.listeners.push(() => this.draw());
    this.listen();
    this.layout();
  }

  get panes() { return this.all ? this.planes : this.beside; }

  draw() {
    const start = performance.now();
    for (const pane of this.panes) pane.draw();
    performance.measure('redraw', { start });
    const { view } = this;
    $('preset').value = view.presetName();
    $('plane').value = view.active;
    for (const name of SHOWN) $(`show-${name}`).checked = view.shown[name];
    if (document.activeElement !== $('opacity')) $('opacity').value = Math.round(view.opacity * 100);
    if (viewer.dataset.drawn) return;
    viewer.dataset.drawn = 'yes';
    this.watch.start();
    this.say('');
  }

  // All candidates on one plane; or one candidate on all planes.
  layout() {
    $('beside').hidden = this.all;
    $('planes').hidden = !this.all;
    $('all-planes').checked = this.all;
    for (const pane of this.beside) pane.plane = this.view.active;
    for (const pane of this.planes) pane.letter = this.letter;
    for (const pane of [...this.beside, ...this.planes]) {
      const what = pane.letter ? `Candidate ${pane.letter}` : 'The CT alone';
      pane.canvas.setAttribute('aria-label', `${what}, ${pane.axes.name.toLowerCase()} plane, keys as under Help`);
    }
    $('planes-of').textContent = `Candidate ${this.letter} in three planes`;
    this.view.changed();
  }

  lookAt(plane) { this.view.active = plane; this.layout(); }

  nextPlane(step) {
    this.lookAt(NAMES[(NAMES.indexOf(this.view.active) + step + NAMES.length) % NAMES.length]);
  }

  nextWindow() {
    // The one as found may be one of the others: what would change nothing is passed over.
    const { view } = this, names = ['start', ...Object.keys(WINDOWS)], now = view.presetName();
    let place = names.indexOf(now);
    do view.preset(names[place = (place + 1) % names.length]); while (view.presetName() === now);
  }

  toggleAll() { this.all = !this.all; this.layout(); }

  look(letter) { this.letter = letter; this.layout(); }

  choose(letter) {
    if (!this.letters.includes(letter)) return;
    form.elements.chosen.value = letter;
    this.dirty = true;
    this.look(letter);
    this.say(`${letter} is chosen, not yet saved`);
  }

  say(words) { $('told').textContent = words; }

  // Goes to another case; what was changed is kept before.
  async go(address) {
    if (!address) return;
    if (this.dirty && form.elements.chosen.value) await this.save(address);
    else location.assign(address);
  }

  async save(address) {
    if (this.saving) return;
    if (!form.checkValidity()) {
      // What is missing must be seen, for the browser to point at it.
      if (this.all) this.toggleAll();
      this.say(form.elements.chosen.value ? 'Say of each who made it' : 'Choose one first');
      form.reportValidity();
      return;
    }
    this.saving = true;
    this.say('Saving');
    form.elements.seconds.value = this.watch.seconds.toFixed(1);
    try {
      const said = await asked(form.action, {
        method: 'POST', headers: { Accept: 'application/json' }, body: new URLSearchParams(new FormData(form)),
      });
      this.dirty = false;
      location.assign(address ?? (await said.json()).goal);
    } catch (error) {
      this.say(`Not saved: ${error.message}`);
    }
    this.saving = false;
  }

  listen() {
    const { view } = this;
    form.addEventListener('submit', event => { event.preventDefault(); this.save(); });
    // Also of radio buttons that stand beside the pictures.
    document.addEventListener('change', ({ target }) => {
      if (target.form !== form) return;
      this.dirty = true;
      if (target.name === 'chosen') this.choose(target.value);
    });
    for (const id of ['before', 'next']) {
      $(id)?.addEventListener('click', event => { event.preventDefault(); this.go($(id).href); });
    }
    $('preset').addEventListener('change', event => view.preset(event.target.value));
    $('plane').addEventListener('change', event => this.lookAt(event.target.value));
    $('all-planes').addEventListener('change', () => this.toggleAll());
    $('opacity').addEventListener('input', event => view.setOpacity(event.target.value / 100));
    for (const name of SHOWN) $(`show-${name}`).addEventListener('change', () => view.toggle(name));
    for (const radio of document.querySelectorAll('input[name=tool]')) {
      radio.addEventListener('change', () => { view.tool = radio.value; });
    }
    for (const pane of this.beside) {
      if (pane.letter) pane.canvas.addEventListener('focus', () => { this.letter = pane.letter; });
    }
    for (const pane of this.planes) {
      pane.canvas.addEventListener('focus', () => { view.active = pane.plane; });
    }
    $('help-open').addEventListener('click', () => this.help());
    document.addEventListener('keydown', event => this.key(event));
    // Somebody who leaves by the browser's own ways is asked.
    addEventListener('beforeunload', event => { if (this.dirty && !this.saving) event.preventDefault(); });
  }

  help() { $('help').showModal(); }

  key(event) {
    if (event.ctrlKey || event.metaKey || document.querySelector('dialog[open]')) return;
    const { localName, type } = event.target, { key } = event;
    const writes = ['select', 'textarea'].includes(localName) ||
      (localName === 'input' && !['radio', 'checkbox'].includes(type));
    if (writes) return;
    if (localName === 'input' && key.startsWith('Arrow')) return;
    if (key === 'Enter' && ['button', 'a'].includes(localName)) return;
    const place = /^[1-9]$/.test(key) ? Number(key) - 1 : this.letters.indexOf(key.toUpperCase());
    const letter = event.altKey || event.shiftKey || key.length > 1 ? undefined : this.letters[place];
    const act = letter ? () => this.choose(letter) : KEYS.find(([keys]) => keys.includes(pressed(event)))?.[3];
    if (!act) return;
    event.preventDefault();
    act(this);
  }
}

async function begin() {
  writeKeys($('keys'));
  const lesion = await body(`${viewer.dataset.address}/volume`);
  const view = new View({ ...lesion, alpha: lesion[lesion.letters[0]] });
  Object.assign(view.shown, { colour: lesion.display === 'alpha', contours: lesion.display === 'outline' });
  const reading = new Reading(view, lesion.letters);
  view.changed();
  // For whoever drives the page: tests, and the console.
  globalThis.reading = reading;
}

begin().catch(error => { $('told').textContent = error.message; });
