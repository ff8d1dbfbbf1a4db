"""`python -m benchmarks.video`: what follows in a clip, and what a discriminator of clips knows of motion."""
