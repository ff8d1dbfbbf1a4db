"""Test images in the corpora that features are learnt from: searched for, listed, left out, and what they are worth."""
