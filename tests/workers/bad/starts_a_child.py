"""Answers with the process id of a child that would go on for ever."""

from __future__ import annotations

import subprocess

from tests.workers.raw import reply, send, serve

serve(lambda _: send(reply(b"WRITE", b"%d" % subprocess.Popen(["sleep", "infinity"]).pid)))
