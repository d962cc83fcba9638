"""The human study: comparison design, rating model, reliability. Plain functions on data frames."""
