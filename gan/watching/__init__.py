"""A training that watches itself: measures without labels, what they warn of, and what is written of them."""
