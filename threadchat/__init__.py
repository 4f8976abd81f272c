"""A thread-per-connection TCP chat daemon, its terminal client, and a TCP application server."""

__version__ = "0.1.0"
