"""``python -m threadchat`` is ``threadchat``."""

from threadchat.cli.main import main

main(prog_name="threadchat")
