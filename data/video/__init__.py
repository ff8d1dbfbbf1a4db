"""Clips: Moving MNIST made by the published rule, synthetic moving shapes, and folders of a user's own."""
