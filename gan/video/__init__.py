"""Frame prediction: a generator that continues a clip, against a discriminator that judges short clips."""
