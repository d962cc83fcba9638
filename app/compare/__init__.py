"""Grids of settings, without their page."""
