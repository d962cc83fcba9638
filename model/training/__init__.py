"""Everything that turns art into weights: art and scenes, tokens, losses, trainers and their recipes."""
