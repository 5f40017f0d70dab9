"""The settings file that a first `init` leaves for the user to fill in."""

from __future__ import annotations

TEMPLATE = """\
# Settings of alcli for this pool. A flag on the command line goes before an ALCLI_* environment variable,
# that before this file, and this file before the default. Take the # away to set something.

# seed = 0            # drives every random choice
# device = "auto"     # auto, cpu, cuda, cuda:1 or mps
# workers = 4         # decoding processes

# A section is named as a command is, and holds its options, spelled with _ for -.
# [train]
# model = "resnet18"
# epochs = 30

# [select]
# strategy = "margin"
"""
