/* The arena in the browser: asks for a pair, shows both pictures at once, sends answers. It knows no settings. */
const $ = (selector) => element.querySelector(selector);
const all = (selector) => [...element.querySelectorAll(selector)];
const root = (window.gradio_config?.root || '').replace(/\/$/, '');
const query = new URLSearchParams(location.search);
const KEPT_ACTS = 6;   /* what can be taken back; the server decides for how long */
const state = {pair: null, asked: 0, busy: false, zoomed: 0, flips: 0, since: 0, acts: [], retry: null, last: null};

async function call(name, message = {}) {
  const reply = await fetch(`${root}/arena-api/${name}`, {
    method: 'POST', headers: {'Content-Type': 'application/json'}, credentials: 'include',
    body: JSON.stringify({...message, study: query.get('study'), token: props.value || undefined})
  }).catch(() => { throw new Error('The server cannot be reached.'); });
  const data = await reply.json().catch(() => ({error: `the server answered ${reply.status}`}));
  if (!reply.ok) throw Object.assign(new Error(data.error || 'something failed'), {status: reply.status});
  return data;
}

function note(text, bad = false, retry = null) {   /* retry: what the button under a failure does again */
  all('.arena-note').forEach((line) => { line.textContent = text; line.classList.toggle('bad', bad); });
  state.retry = retry;
  $('.arena-retry').hidden = !retry;
}

function showProgress(data) {
  const share = Math.min(data.done / data.total, 1);
  $('.arena-progress i').style.width = `${100 * share}%`;
  $('.arena-progress').setAttribute('aria-valuenow', data.done);
  $('.arena-progress').setAttribute('aria-valuemax', data.total);
  $('.arena-count').textContent = data.practice ? `Practice ${data.practice.number} of ${data.practice.of}` : `${data.done} of ${data.total} pair${data.total === 1 ? '' : 's'}`;
}

async function loadPair() {
  state.busy = true;
  hidePair();
  try {
    const data = await call('pair');
    if (data.finished || (data.done >= data.total && !state.goOn)) { showProgress(data); return finish(data); }
    if (state.last && data.study !== state.last.study) {   /* that sitting is over, and another study waits */
      if (!state.goOn) return finish({done: state.last.total});
      state.goOn = false;
    }
    state.last = data;
    await showPair(data, 0);
    if (!data.practice) call('shown', {assignment: data.assignment}).catch(() => {});
  } catch (error) { state.busy = false; note(error.message, true, loadPair); }
}

function hidePair() {
  $('.arena-rate').classList.remove('ready');
  resetView();
  explain(null);
}

async function showPair(data, asked) {
  showProgress(data);
  const [left, right] = all('.arena-view img');
  left.src = data.left; right.src = data.right;
  await Promise.all([left.decode(), right.decode()]);
  state.pair = data; state.asked = asked; state.busy = false;
  $('.arena-prompt').textContent = `“${data.prompt}”`;
  $('.arena-rate').classList.toggle('practice', Boolean(data.practice));
  $('.arena-rate').classList.add('ready');   /* both at once */
  ask();
}

function ask() {
  const question = state.pair.questions[state.asked];
  $('.arena-question small').textContent = state.pair.practice ? 'Practice, does not count' : `Question ${state.asked + 1} of ${state.pair.questions.length}`;
  $('.arena-question b').textContent = question.text;
  state.since = performance.now();
  all('[data-answer]').forEach((button) => button.classList.remove('chosen'));
}

function display() {
  const box = $('.arena-view').getBoundingClientRect();
  return {width: innerWidth, height: innerHeight, pixel_ratio: devicePixelRatio, shown_px: Math.round(box.width),
    zoomed: state.zoomed, flips: state.flips, touch: Number(matchMedia('(pointer: coarse)').matches)};
}

function explain(reply) {   /* the word on a practice answer; no reply hides it */
  $('.arena-lesson').hidden = !reply;
  $('.arena-lesson p').textContent = reply ? reply.text : '';
  $('.arena-lesson').classList.toggle('right', Boolean(reply?.right));
  $('.arena-next').hidden = !reply?.right;
}

async function practise(choice) {
  if (!$('.arena-next').hidden) return;   /* answered and explained already */
  state.busy = true;
  $(`[data-answer="${choice}"]`).classList.add('chosen');
  try {
    const reply = await call('practice', {criterion: state.pair.questions[0].criterion, answer: choice});
    if (!reply.right) ask();
    explain(reply);
  } catch (error) { ask(); note(error.message, true); }
  state.busy = false;
}

function goOn() { if (!state.busy && !$('.arena-next').hidden) loadPair(); }

function answer(choice) {
  if (state.busy || !state.pair || !$('.arena-rate').classList.contains('ready')) return;
  if (state.pair.practice) return practise(choice);
  all('[data-answer]').forEach((button) => button.classList.toggle('chosen', button.dataset.answer === choice));
  send({assignment: state.pair.assignment, criterion: state.pair.questions[state.asked].criterion, answer: choice,
    decision_ms: Math.round(performance.now() - state.since), display: display()});
}

async function send(message) {   /* what could not be sent stays chosen, and is sent again as it is */
  if (state.busy) return;
  state.busy = true;
  try {
    const reply = await call('vote', message);
    remember({vote: reply.vote});
    note('Saved.');
  } catch (error) {
    if (error.status === 410) { note(error.message, true); return loadPair(); }
    if (error.status !== 409) { state.busy = false; note(`${error.message} Your answer is not saved yet.`, true, () => send(message)); return; }
    note(error.message, true);
  }
  state.busy = false;
  state.asked += 1;
  if (state.asked < state.pair.questions.length) ask(); else loadPair();
}

function remember(undo, mark = null) { state.acts = [...state.acts.slice(1 - KEPT_ACTS), {undo, mark, pair: state.pair, asked: state.asked}]; }

async function undo() {   /* the last mark, report or answer, also that of the pair before */
  const act = state.acts.at(-1);
  if (state.busy || !act) { note('There is nothing to take back.'); return; }
  state.busy = true;
  try {
    await call('undo', act.undo);
    state.acts.pop();
    if (act.mark) act.mark.remove();
    else { openRating(); if (act.pair !== state.pair) hidePair(); await showPair(act.pair, act.asked); }
    note('Taken back.');
  } catch (error) {
    if (error.status) state.acts = [];   /* too late for this one, so for those before */
    note(error.message, true);
  }
  state.busy = false;
}

function resetView() {
  sideBySide();
  $('.arena-pair').classList.remove('zoomed', 'brush');
  all('.arena-mark').forEach((mark) => mark.remove());
  all('[data-tool]').forEach((button) => button.classList.remove('on'));
  state.zoomed = 0; state.flips = 0;
}

function flip() {
  const pair = $('.arena-pair'), [left, right] = all('.arena-pair figure');
  if (!pair.classList.contains('flip')) { pair.classList.add('flip'); left.classList.remove('behind'); right.classList.add('behind'); }
  else { left.classList.toggle('behind'); right.classList.toggle('behind'); }
  state.flips += 1;
  $('[data-tool="flip"]').classList.add('on');
  $('[data-tool="side"]').hidden = false;
}

function sideBySide() {
  $('.arena-pair').classList.remove('flip');
  all('.arena-pair figure').forEach((figure) => figure.classList.remove('behind'));
  $('[data-tool="flip"]').classList.remove('on');
  $('[data-tool="side"]').hidden = true;
}

function zoom() {
  $('.arena-pair').classList.remove('brush'); $('[data-tool="brush"]').classList.remove('on');
  const on = $('.arena-pair').classList.toggle('zoomed');
  $('[data-tool="zoom"]').classList.toggle('on', on);
  if (on) state.zoomed += 1;
}

function aim(event) {
  const box = event.currentTarget.getBoundingClientRect();
  const x = 100 * (event.clientX - box.left) / box.width, y = 100 * (event.clientY - box.top) / box.height;
  all('.arena-view img').forEach((picture) => { picture.style.transformOrigin = `${x}% ${y}%`; });
}

function brush() {
  if (state.pair?.practice) return;
  $('.arena-pair').classList.remove('zoomed');
  $('[data-tool="zoom"]').classList.remove('on');
  const on = $('.arena-pair').classList.toggle('brush');
  $('[data-tool="brush"]').classList.toggle('on', on);
  $('[data-tool="brush"]').setAttribute('aria-pressed', on);
  note(on ? 'Draw a box around each flaw.' : '');
}

function draw(event) {   /* a box on one picture; fractions of what is shown, the server knows the rest */
  if (!$('.arena-pair').classList.contains('brush') || !state.pair) return;
  event.preventDefault();
  const view = event.currentTarget, box = view.getBoundingClientRect(), side = view.closest('figure').dataset.side;
  const at = (e) => [(e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height].map((v) => Math.min(Math.max(v, 0), 1));
  const from = at(event), mark = document.createElement('i'), assignment = state.pair.assignment;
  mark.className = 'arena-mark'; view.append(mark);
  let area = [...from, ...from];
  const move = (e) => {
    const to = at(e);
    area = [Math.min(from[0], to[0]), Math.min(from[1], to[1]), Math.max(from[0], to[0]), Math.max(from[1], to[1])];
    Object.assign(mark.style, {left: `${100 * area[0]}%`, top: `${100 * area[1]}%`, width: `${100 * (area[2] - area[0])}%`, height: `${100 * (area[3] - area[1])}%`});
  };
  const end = async () => {
    removeEventListener('pointermove', move); removeEventListener('pointerup', end); removeEventListener('pointercancel', end);
    if (area[2] - area[0] < .01 || area[3] - area[1] < .01) { mark.remove(); return; }
    try { remember({flaw: (await call('flaw', {assignment, side, box: area})).flaw}, mark); note('Marked.'); } catch (error) { mark.remove(); note(error.message, true); }
  };
  addEventListener('pointermove', move); addEventListener('pointerup', end); addEventListener('pointercancel', end);
}

async function broken(side) {
  if (!state.pair) return;
  try {
    const {flaw} = await call('broken', {assignment: state.pair.assignment, side});
    if (!state.acts.some((act) => act.undo.flaw === flaw)) remember({flaw});   /* pressed twice it is one report */
    note('Reported, thank you. Please answer what you can.');
  } catch (error) { note(error.message, true); }
}

function openRating() { $('.arena-welcome').hidden = true; $('.arena-rate').hidden = false; }

function openWelcome(title, about, start, instructions) {
  state.pair = null; state.busy = false;
  $('.arena-rate').hidden = true; $('.arena-welcome').hidden = false;
  $('.arena-title').textContent = title;
  $('.arena-about').textContent = about;
  all('.arena-rules, .arena-length, .arena-keys, .arena-consent').forEach((part) => { part.hidden = !instructions; });
  $('.arena-start').hidden = !start; $('.arena-start').disabled = false; $('.arena-start').textContent = start;
  $('.arena-back').hidden = instructions || !state.acts.length;
}

function finish(data) {
  const pairs = data.done === 1 ? 'one pair' : `${data.done} pairs`;
  const rest = data.finished ? 'There is nothing left to rate for you.' : 'You can go on if you like.';
  openWelcome(data.done ? 'Thank you!' : 'Nothing to rate', (data.done ? `You have rated ${pairs}. ` : '') + rest, data.finished ? '' : 'Go on', false);
  state.goOn = true; note('');
}

function closed(data) {   /* what the invite link is good for when there is no pair */
  const why = {open: 'There is nothing left to rate for you.', paused: 'This study is paused. Come back later.', closed: 'This study is closed.'};
  const done = data.done ? `You have rated ${data.done} of its pairs, thank you. ` : '';
  openWelcome(data.study, done + (why[data.state] || 'This study is not open yet. Come back later.'), '', false);
}

async function begin() {
  try { await call('consent'); } catch (error) { note(error.message, true); return; }
  openRating(); note('');
  loadPair();
}

async function forget() {
  if (!confirm('Remove the link between you and your answers? This cannot be undone.')) return;
  try {
    await call('forget');
    state.acts = []; state.goOn = false; state.last = null;
    await welcome();   /* as for somebody who comes for the first time */
    note('Done: nothing links you to your answers any more.');
  } catch (error) { note(error.message, true); }
}

function onKey(event) {
  if (!element.isConnected) { document.removeEventListener('keydown', onKey); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || $('.arena-rate').hidden) return;
  if (/^(input|textarea|select)$/i.test(event.target.tagName) || event.target.isContentEditable) return;
  if (/^( |Enter)$/.test(event.key) && event.target.closest?.('a, button')) return;   /* these press what has the focus */
  const choices = {1: 'left', 2: 'right', 3: 'both_good', 4: 'both_bad', 5: 'cannot_tell'};
  const acts = {' ': flip, z: zoom, f: brush, u: undo, Escape: sideBySide};
  if (!$('.arena-next').hidden) acts.Enter = goOn;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;   /* caps lock or not */
  if (choices[key]) answer(choices[key]);
  else if (acts[key]) acts[key]();
  else return;
  event.preventDefault();
}

async function welcome() {
  try {
    const data = await call('welcome');
    if ($('.arena-welcome').hidden) return;   /* somebody was faster and has begun */
    if (!data.open) return closed(data);
    if (data.done >= data.total) return finish(data);
    openWelcome('Which picture is better?', data.description, !data.consented ? 'I agree, start' : data.done ? `Go on (${data.done} of ${data.total} done)` : 'Start', true);
    $('.arena-asked').textContent = `${data.questions.length === 1 ? 'One short question' : data.questions.length + ' short questions'} per pair: ${data.questions.join(' ')}`;
    const count = (n, word) => `${n} ${word}${n === 1 ? '' : 's'}`;
    $('.arena-length').textContent = `${count(data.total, 'pair')}, about ${count(data.minutes, 'minute')}. You may stop at any time and go on later from the same place.`;
  } catch (error) {
    $('.arena-start').disabled = true;
    if (error.status !== 404) note(error.message, true);
    else if (query.get('study')) openWelcome('No such study', 'This invite link names no study. Is it complete?', '', false);
    else note('No study is open at the moment. Come back later.');
  }
}

$('.arena-start').addEventListener('click', begin);
$('.arena-next').addEventListener('click', goOn);
$('.arena-back').addEventListener('click', undo);
$('.arena-retry').addEventListener('click', () => { const again = state.retry; note(''); again?.(); });
$('.arena-forget').addEventListener('click', forget);
all('[data-answer]').forEach((button) => button.addEventListener('click', () => { answer(button.dataset.answer); button.blur(); }));
const tools = {flip, side: sideBySide, zoom, undo, brush, 'broken-left': () => broken('left'), 'broken-right': () => broken('right')};
all('[data-tool]').forEach((button) => button.addEventListener('click', () => { tools[button.dataset.tool](); button.blur(); }));
all('.arena-view').forEach((view) => {
  view.addEventListener('pointermove', aim);
  view.addEventListener('pointerdown', draw);
  view.addEventListener('click', () => { if (innerWidth <= 640 && !$('.arena-pair').classList.contains('brush')) flip(); });   /* on a phone: enlarge, then flip */
});
document.addEventListener('keydown', onKey);
watch('value', () => { if (!state.pair) welcome(); });   /* the token of a browser without cookies */
welcome();
