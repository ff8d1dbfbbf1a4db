"""Pictures of measured figures: accuracy by number of labels, and along anything else."""
