"""What the Playground does, without its page."""
