"""Measures threadchat beside other servers: `python -m benchmarks`. See README.md; never part of the tests."""
