"""Launch, identity, pictures and health over HTTP."""
