"""The peers that are written here. Each is a program of its own; ../peers.py says how it is started."""
