"""From YAML to checked rows, and from these to objects."""
