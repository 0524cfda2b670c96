"""Clients: one that looks closely, many that load a server, some that only hold it.

In: a URL of this machine, and what to do there (`LoadSpec`). Out: what came of it
(`LoadResult`, a line a request from `probe`), or `LoadError` with one line that says
what to do.

The standard library alone: a load can be put on a server from any bare Python.
"""
