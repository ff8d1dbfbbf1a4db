"""How much the probe matters: the same features judged by several probes, by a choice on test images, and by SGD."""
