"""One job from claim to picture, and who drives it."""
