"""Made-up images, for machines without the real ones. Whatever is computed from them says so."""
