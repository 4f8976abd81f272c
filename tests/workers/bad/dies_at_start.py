"""Ends before the handshake, and says why on standard error."""

from __future__ import annotations

import sys

sys.exit("no database")
