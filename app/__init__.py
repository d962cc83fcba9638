"""The web side: settings, services, worker, pages. The only place that imports gradio and plotly."""
