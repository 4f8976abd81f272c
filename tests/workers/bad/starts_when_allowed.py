"""Starts only if the file named in MAY_START exists."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.workers.raw import serve

if not Path(os.environ["MAY_START"]).exists():
    sys.exit("not yet")
serve(lambda _: os._exit(1))
