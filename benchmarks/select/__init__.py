"""What is chosen on training images alone, and how: candidates measured side by side, their tables committed."""
