// What Gradio has no words for: keys, zoom, copying a link, taking a suggested word. Works by delegation, on all pages.
(() => {
  const $ = (selector) => document.querySelector(selector);
  const typing = (node) => node && (node.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(node.tagName));
  const shown = (node) => node && node.offsetParent !== null && !node.disabled;

  document.addEventListener('keydown', (event) => {   // before Gradio sees it: one picture at a time is followed
    if (event.key === 'Enter' && shown($('#stop')) && event.target.closest?.('#prompt')) { event.preventDefault(); event.stopPropagation(); }
  }, true);

  document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && shown($('#go'))) { event.preventDefault(); $('#go').click(); }
    if (event.key === 'Escape' && !$('dialog.zoom') && !event.target.closest?.('[role=combobox]') && shown($('#stop'))) $('#stop').click();
    if ((event.key === 'Enter' || event.key === ' ') && !typing(event.target)) {
      const zoomable = event.target.closest?.('[data-zoom]');
      if (zoomable) { event.preventDefault(); zoom(zoomable.querySelector('img')); }
    }
  });

  document.addEventListener('click', (event) => {
    const zoomable = event.target.closest('[data-zoom]');
    if (zoomable) return zoom(zoomable.querySelector('img'));
    const link = event.target.closest('[data-copy]');
    if (link) {
      event.preventDefault();
      const said = link.textContent;
      navigator.clipboard?.writeText(link.href).then(() => { link.textContent = 'Copied'; setTimeout(() => { link.textContent = said; }, 1500); });
      if (!navigator.clipboard) window.prompt('Link', link.href);
      return;
    }
    const word = event.target.closest('[data-word]');
    const box = $('#prompt textarea');
    if (word && box) {
      box.value = box.value.replace(/[a-zA-Z]+$/, word.dataset.word) + ' ';
      box.dispatchEvent(new Event('input', { bubbles: true }));
      box.focus();
    }
  });

  function zoom(image) {
    const dialog = document.createElement('dialog');
    dialog.className = 'zoom';
    dialog.setAttribute('aria-label', image.alt);
    const picture = new Image();
    picture.alt = image.alt;
    const close = document.createElement('button');
    close.textContent = '×';
    close.setAttribute('aria-label', 'Close');
    dialog.append(picture, close);
    document.body.append(dialog);
    let scale = 1, x = 0, y = 0;
    const place = () => {
      picture.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      picture.style.imageRendering = scale > 2 ? 'pixelated' : 'auto';
    };
    const fit = picture.onload = () => {
      scale = Math.min(innerWidth / picture.naturalWidth, innerHeight / picture.naturalHeight) * .96;
      x = (innerWidth - picture.naturalWidth * scale) / 2;
      y = (innerHeight - picture.naturalHeight * scale) / 2;
      place();
    };
    picture.src = image.src;
    const by = (factor, cx, cy) => {
      const next = Math.min(Math.max(scale * factor, .1), 24);
      x = cx - (cx - x) * next / scale; y = cy - (cy - y) * next / scale; scale = next; place();
    };
    dialog.addEventListener('wheel', (event) => { event.preventDefault(); by(Math.exp(-event.deltaY / 400), event.clientX, event.clientY); }, { passive: false });
    dialog.addEventListener('keydown', (event) => {
      if (event.key === '+' || event.key === '=') by(1.25, innerWidth / 2, innerHeight / 2);
      if (event.key === '-') by(.8, innerWidth / 2, innerHeight / 2);
      if (event.key === '0') fit();
      const step = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (step) { event.preventDefault(); x += step[0] * innerWidth / 10; y += step[1] * innerHeight / 10; place(); }
    });
    picture.addEventListener('pointerdown', (event) => {
      event.preventDefault();
      picture.setPointerCapture(event.pointerId);
      const from = [event.clientX - x, event.clientY - y];
      picture.onpointermove = (move) => { x = move.clientX - from[0]; y = move.clientY - from[1]; place(); };
      picture.onpointerup = picture.onpointercancel = () => { picture.onpointermove = null; };
    });
    picture.addEventListener('dblclick', (event) => by(2, event.clientX, event.clientY));
    close.onclick = () => dialog.close();
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    dialog.onclose = () => dialog.remove();
    dialog.showModal();
  }
})();
