"""Features of clips, from the frozen discriminator of a frame predictor."""
