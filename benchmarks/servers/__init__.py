"""The peers that are written here. Each is a program on its own; see ../peers.py for how it is started."""
