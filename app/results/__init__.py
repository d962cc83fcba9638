"""What the Results page and the report show."""
