"""k-means features: one layer, three layers with receptive fields, and view-invariant ones."""
