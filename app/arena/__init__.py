"""Blind pairs, the practice before them and their routes."""
