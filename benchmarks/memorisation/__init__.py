"""`python -m benchmarks.memorisation`: does a GAN draw its training images?"""
