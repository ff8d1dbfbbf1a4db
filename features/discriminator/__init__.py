"""Features of a frozen discriminator."""
