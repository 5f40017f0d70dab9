"""Twins of the engines for a CUDA device, in torch; the same picks but for ties of rounding."""
