"""Keeps matplotlib's own log quiet; imported before matplotlib is.

A home that is not writable, and fonts that are seen for the first time, concern nobody who wants a picture.
"""

from __future__ import annotations

import logging

_LOG = logging.getLogger("matplotlib")
_LOG.setLevel(_LOG.level or logging.ERROR)  # a level that somebody has set stays
