"""`python -m benchmarks.latent`: what the latent space of a generator can do, measured."""
