"""Images of which all factors are known: what was varied to draw them, and each image's values."""
