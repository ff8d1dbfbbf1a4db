"""Features are computed once, kept on disk, and found again by content."""
