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
      const said = link.dataset.said ??= link.textContent;   // pressed twice it still comes back
      navigator.clipboard?.writeText(link.href).then(() => { link.textContent = link.dataset.copy || 'Copied'; setTimeout(() => { link.textContent = said; }, 3000); });
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

  function zoom(image) {   // in the whole window, until a click beside it
    const dialog = document.createElement('dialog');
    dialog.className = 'zoom';
    dialog.tabIndex = -1;   // or a click on the picture would take the keys away
    dialog.setAttribute('aria-label', image.alt);
    const picture = new Image();
    picture.alt = image.alt;
    picture.draggable = false;
    const frame = document.createElement('div');
    frame.className = 'zoom-frame';
    frame.append(picture);
    const close = document.createElement('button');
    close.textContent = '×';
    close.setAttribute('aria-label', 'Close');
    dialog.append(frame, close);
    document.body.append(dialog);
    const view = zoomable(dialog, { frames: '.zoom-frame', changed: (scale) => {
      picture.style.imageRendering = scale * picture.offsetWidth > 2 * picture.naturalWidth ? 'pixelated' : 'auto';
    } });
    picture.onload = () => { frame.style.setProperty('--aspect', picture.naturalWidth / picture.naturalHeight); view.reset(); };
    picture.src = image.src;
    dialog.addEventListener('click', (event) => { if (event.target !== picture) dialog.close(); });
    dialog.onclose = () => dialog.remove();
    dialog.showModal();
  }
})();
