// Looking closer: one zoom for all pictures under one element. Wheel and pinch zoom where they are, dragging and arrows
// move, + and - zoom, 0 shows all again, and so does a double click or tap; one on everything shows it thrice as large.
//
// const view = zoomable(surface, {frames, most, inPage, atRest, changed});   view.scale, view.to(scale), view.reset()
// surface: listens; what it shows may be replaced. It hands --zoom, --x and --y to the pictures below it (studio.css)
// frames: selector of what a picture fills at scale 1
// inPage: at scale 1 the wheel and a single finger scroll the page; the wheel zooms with Ctrl
// atRest: {drag(x), step(x)}, what one finger and the arrows do at scale 1
// changed(scale): called after every change
// x and y count in sides of the frame: 0 is its left or upper end, 1 the other.
window.zoomable = (surface, { frames, most = 24, inPage = false, atRest = {}, changed = () => {} }) => {
  const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const TREMBLE = 4;   // px that a finger may travel in a click
  const fingers = new Map();   // pointer that is down -> where, in px of the window
  let scale = 1, x = 0, y = 0;   // x, y: of the picture's upper left corner
  let box = null, travelled = 0;   // of the gesture: its frame, and px so far

  const within = (value, low, high) => Math.min(Math.max(value, low), high);
  const place = () => {
    x = within(x, 1 - scale, 0); y = within(y, 1 - scale, 0);
    surface.style.setProperty('--zoom', scale);
    surface.style.setProperty('--x', `${100 * x}%`);
    surface.style.setProperty('--y', `${100 * y}%`);
    surface.classList.toggle('zoomed', scale > 1);
    changed(scale);
  };
  const move = (dx, dy) => { x += dx; y += dy; place(); };
  const to = (wanted, [atX, atY] = [.5, .5]) => {   // at: what stays where it is
    const next = within(wanted, 1, most);
    x = atX - (atX - x) * next / scale; y = atY - (atY - y) * next / scale; scale = next;
    place();
  };
  const inside = ([left, top], area) => [(left - area.left) / area.width, (top - area.top) / area.height];
  const at = (event, frame) => inside([event.clientX, event.clientY], frame.getBoundingClientRect());
  const middle = (spots) => [0, 1].map((i) => spots.reduce((sum, spot) => sum + spot[i], 0) / spots.length);
  const gap = ([one, two]) => Math.max(Math.hypot(one[0] - two[0], one[1] - two[1]), 1);

  surface.addEventListener('wheel', (event) => {
    const frame = event.target.closest(frames);
    if (!frame || (inPage && scale === 1 && !event.ctrlKey && !event.metaKey)) return;
    event.preventDefault();
    to(scale * Math.exp(-event.deltaY / 400), at(event, frame));
  }, { passive: false });

  surface.addEventListener('dblclick', (event) => {
    const frame = event.target.closest(frames);
    if (frame) to(scale > 1 ? 1 : 3, at(event, frame));
  });

  surface.addEventListener('pointerdown', (event) => {
    if (event.isPrimary) {   // a new gesture, also where the end of the last one was missed
      box = event.target.closest(frames)?.getBoundingClientRect();
      fingers.clear(); travelled = 0;
    }
    if (!box || event.button) return;
    event.target.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (scale === 1 && fingers.size === 1) atRest.drag?.(inside([event.clientX, event.clientY], box)[0]);
  });
  surface.addEventListener('pointermove', (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = [...fingers.values()];
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    const after = [...fingers.values()], from = middle(before), now = middle(after);
    if (scale === 1 && after.length === 1) return atRest.drag?.(inside(now, box)[0]);
    travelled += Math.hypot(now[0] - from[0], now[1] - from[1]);
    x += (now[0] - from[0]) / box.width; y += (now[1] - from[1]) / box.height;
    to(after.length === 2 ? scale * gap(after) / gap(before) : scale, inside(now, box));
  });
  for (const end of ['pointerup', 'pointercancel']) surface.addEventListener(end, (event) => fingers.delete(event.pointerId));
  surface.addEventListener('click', (event) => {   // the end of a drag presses nothing; a click by key has no detail
    if (event.detail && travelled > TREMBLE) { event.preventDefault(); event.stopPropagation(); }
  }, true);

  surface.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input') || !surface.querySelector(frames)) return;
    const next = { '+': scale * 1.25, '=': scale * 1.25, '-': scale * .8, 0: 1 }[event.key], arrow = ARROWS[event.key];
    if (next) to(next);
    else if (arrow && scale > 1) move(arrow[0] / 10, arrow[1] / 10);
    else if (arrow && atRest.step) atRest.step(-arrow[0]);
    else return;
    event.preventDefault();
  });

  return { get scale() { return scale; }, to, reset: () => { fingers.clear(); to(1); } };
};
