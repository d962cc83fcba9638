"""What lasts: tables, pictures, backups and exports. Knows nothing of gradio or torch."""
