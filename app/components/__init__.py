"""Small pieces of page that Gradio lacks, each a `gr.HTML` with its own template, style and script."""
