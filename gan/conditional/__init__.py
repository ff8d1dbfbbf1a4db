"""Generator and discriminator that are told the class of each image."""
