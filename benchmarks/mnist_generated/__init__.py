"""`python -m benchmarks.mnist_generated`: a classifier whose training set a GAN has drawn."""
