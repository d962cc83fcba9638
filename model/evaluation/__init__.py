"""How good the pictures are: an in-domain judge, GenEval-shaped scores, reconstruction, distances."""
