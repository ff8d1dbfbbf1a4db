"""What was measured, on disk: result files, predictions, and what a run says of itself."""
