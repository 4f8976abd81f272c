"""Prints to its standard output before the handshake, as PHP does when its script is missing."""

from __future__ import annotations

import os

os.write(1, b"Could not open input file: worker.php\n")
os.read(0, 1)
