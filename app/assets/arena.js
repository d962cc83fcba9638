/* The arena in the browser: asks for a pair, shows both pictures at once, sends answers. It knows no settings. */
const $ = (selector) => element.querySelector(selector);
const all = (selector) => [...element.querySelectorAll(selector)];
const root = (window.gradio_config?.root || '').replace(/\/$/, '');
const query = new URLSearchParams(location.search);
const state = {pair: null, asked: 0, busy: false, zoomed: 0, flips: 0, since: 0, votes: [], answered: 0};

async function call(name, message = {}) {
  const reply = await fetch(`${root}/arena-api/${name}`, {
    method: 'POST', headers: {'Content-Type': 'application/json'}, credentials: 'include',
    body: JSON.stringify({...message, study: query.get('study'), token: props.value || undefined})
  });
  const data = await reply.json().catch(() => ({error: `the server answered ${reply.status}`}));
  if (!reply.ok) throw Object.assign(new Error(data.error || 'something failed'), {status: reply.status});
  return data;
}

function note(text, bad = false) {
  all('.arena-note').forEach((line) => { line.textContent = text; line.classList.toggle('bad', bad); });
}

function showProgress(data) {
  const share = Math.min(data.done / data.total, 1);
  $('.arena-progress i').style.width = `${100 * share}%`;
  $('.arena-progress').setAttribute('aria-valuenow', data.done);
  $('.arena-progress').setAttribute('aria-valuemax', data.total);
  $('.arena-count').textContent = data.practice ? `Practice ${data.practice.number} of ${data.practice.of}` : `${data.done} of ${data.total} pairs`;
}

async function loadPair() {
  state.busy = true;
  $('.arena-rate').classList.remove('ready');
  resetView();
  explain(null);
  let data;
  try { data = await call('pair'); } catch (error) { state.busy = false; note(error.message, true); return; }
  showProgress(data);
  if (data.finished || (data.done >= data.total && !state.goOn)) return finish(data);
  const [left, right] = all('.arena-view img');
  left.src = data.left; right.src = data.right;
  await Promise.all([left.decode(), right.decode()]);
  state.pair = data; state.asked = 0; state.busy = false; state.votes = [];
  $('.arena-prompt').textContent = `“${data.prompt}”`;
  $('.arena-rate').classList.toggle('practice', Boolean(data.practice));
  $('.arena-rate').classList.add('ready');   /* both at once */
  if (!data.practice) call('shown', {assignment: data.assignment}).catch(() => {});
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

async function answer(choice) {
  if (state.busy || !state.pair || !$('.arena-rate').classList.contains('ready')) return;
  if (state.pair.practice) return practise(choice);
  state.busy = true;
  const question = state.pair.questions[state.asked];
  $(`[data-answer="${choice}"]`).classList.add('chosen');
  try {
    const reply = await call('vote', {assignment: state.pair.assignment, criterion: question.criterion, answer: choice,
      decision_ms: Math.round(performance.now() - state.since), display: display()});
    state.votes.push(reply.vote);
    note('Saved.');
  } catch (error) {
    if (error.status !== 409 && error.status !== 410) { state.busy = false; ask(); note(error.message + ' — please answer again', true); return; }
    note(error.message, true);
    if (error.status === 410) return loadPair();
  }
  state.busy = false;
  state.asked += 1;
  if (state.asked < state.pair.questions.length) ask(); else loadPair();
}

async function undo() {
  if (state.busy || !state.votes.length) { note('Nothing to take back on this pair.'); return; }
  try {
    await call('undo', {vote: state.votes.at(-1)});
    state.votes.pop(); state.asked -= 1; ask(); note('Taken back.');
  } catch (error) { note(error.message, true); }
}

function resetView() {
  $('.arena-pair').classList.remove('flip', 'zoomed', 'brush');
  all('.arena-mark').forEach((mark) => mark.remove());
  all('.arena-pair figure').forEach((figure) => figure.classList.remove('behind'));
  all('[data-tool]').forEach((button) => button.classList.remove('on'));
  state.zoomed = 0; state.flips = 0;
}

function flip() {
  const pair = $('.arena-pair'), [left, right] = all('.arena-pair figure');
  if (!pair.classList.contains('flip')) { pair.classList.add('flip'); left.classList.remove('behind'); right.classList.add('behind'); }
  else { left.classList.toggle('behind'); right.classList.toggle('behind'); }
  state.flips += 1;
  $('[data-tool="flip"]').classList.add('on');
}

function sideBySide() {
  $('.arena-pair').classList.remove('flip');
  all('.arena-pair figure').forEach((figure) => figure.classList.remove('behind'));
  $('[data-tool="flip"]').classList.remove('on');
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
    try { await call('flaw', {assignment, side, box: area}); note('Marked.'); } catch (error) { mark.remove(); note(error.message, true); }
  };
  addEventListener('pointermove', move); addEventListener('pointerup', end); addEventListener('pointercancel', end);
}

async function broken(side) {
  if (!state.pair) return;
  try { await call('broken', {assignment: state.pair.assignment, side}); note('Reported, thank you. Please answer what you can.'); }
  catch (error) { note(error.message, true); }
}

function finish(data) {
  state.pair = null; state.busy = false;
  $('.arena-rate').hidden = true; $('.arena-welcome').hidden = false;
  $('.arena-title').textContent = 'Thank you!';
  $('.arena-about').textContent = `You have rated ${data.done} pairs. ` + (data.finished ? 'There is nothing left to rate for you.' : 'You can go on if you like.');
  all('.arena-rules, .arena-length, .arena-keys, .arena-consent').forEach((part) => { part.hidden = true; });
  $('.arena-start').hidden = Boolean(data.finished); $('.arena-start').textContent = 'Go on';
  state.goOn = true; note('');
}

async function begin() {
  try { await call('consent'); } catch (error) { note(error.message, true); return; }
  $('.arena-welcome').hidden = true; $('.arena-rate').hidden = false; note('');
  loadPair();
}

async function forget() {
  if (!confirm('Remove the link between you and your answers? This cannot be undone.')) return;
  try { await call('forget'); note('Done: nothing links you to your answers any more.'); } catch (error) { note(error.message, true); }
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
    $('.arena-about').textContent = data.description;
    $('.arena-asked').textContent = `${data.questions.length === 1 ? 'One short question' : data.questions.length + ' short questions'} per pair: ${data.questions.join(' ')}`;
    $('.arena-length').textContent = `${data.total} pairs, about ${data.minutes} minutes. You may stop at any time and go on later from the same place.`;
    if (data.consented && data.done < data.total) { $('.arena-start').textContent = data.done ? `Go on (${data.done} of ${data.total} done)` : 'Start'; }
    $('.arena-start').disabled = false;
  } catch (error) { $('.arena-start').disabled = true; note(error.status === 404 ? 'No study is open at the moment. Come back later.' : error.message, error.status !== 404); }
}

$('.arena-start').addEventListener('click', begin);
$('.arena-next').addEventListener('click', goOn);
$('.arena-forget').addEventListener('click', forget);
all('[data-answer]').forEach((button) => button.addEventListener('click', () => { answer(button.dataset.answer); button.blur(); }));
const tools = {flip, zoom, undo, brush, 'broken-left': () => broken('left'), 'broken-right': () => broken('right')};
all('[data-tool]').forEach((button) => button.addEventListener('click', () => { tools[button.dataset.tool](); button.blur(); }));
all('.arena-view').forEach((view) => {
  view.addEventListener('pointermove', aim);
  view.addEventListener('pointerdown', draw);
  view.addEventListener('click', () => { if (innerWidth <= 640 && !$('.arena-pair').classList.contains('brush')) flip(); });   /* on a phone: enlarge, then flip */
});
document.addEventListener('keydown', onKey);
watch('value', () => { if (!state.pair) welcome(); });   /* the token of a browser without cookies */
welcome();
