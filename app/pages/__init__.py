"""One file a page, or a folder where it is large; each has `build(services) -> gr.Blocks` and `app/ui.py` composes them."""
