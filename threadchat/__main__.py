"""``python -m threadchat`` is ``threadchat``."""

from threadchat.cli import main

main(prog_name="threadchat")
