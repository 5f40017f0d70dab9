"""Judging labels that people gave: out-of-sample probabilities, and what they say of a label.

Arithmetic on arrays: nothing here knows of pools, manifests or files.
"""
