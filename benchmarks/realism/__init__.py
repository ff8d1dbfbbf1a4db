"""How real a generator's samples are, in figures that no network of others' is needed for."""
