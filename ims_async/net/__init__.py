"""One request out, one answer in."""
