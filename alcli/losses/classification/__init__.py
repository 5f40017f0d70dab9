"""Losses of a classifier: one file each, and the file's name is its name for `train --loss`.

A loss is a function of the logits (b, c) and the targets (b, c), whose rows sum to 1, and returns a value for
each image, (b,), in nats. Its keyword-only parameters with a default are its options; those without one are
what else it looks at: `inputs` (b, …), and `maps`, weights of its own that train along.
"""
