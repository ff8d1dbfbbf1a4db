"""`python -m gan.figures`: pictures of what a trained network has learned."""
