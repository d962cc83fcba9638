"""Making, opening and keeping studies; the statistics are in app/study."""
