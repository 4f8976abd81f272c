"""Keeps what happens in rooms: in memory, or in a SQLite database. The two Protocols are in chat/history.py."""
