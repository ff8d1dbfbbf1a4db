"""A page in the browser on which the latent space of a trained generator is explored; see `gan.explore`."""
