"""Training losses, one file each; cross-entropy is torch's own."""
