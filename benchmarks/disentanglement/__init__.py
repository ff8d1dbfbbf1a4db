"""How latent spaces of different sizes and distributions represent the factors of images, in the field's measures."""
