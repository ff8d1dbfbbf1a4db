"""Training a DCGAN: the recipe, the loop, losses and regularisers, checkpoints, one or several processes."""
