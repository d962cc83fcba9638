"""One file a page; each has `build(services) -> gr.Blocks` and `app/ui.py` composes them."""
