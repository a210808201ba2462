"""What keeps a bench from measuring."""
from __future__ import annotations


class BenchError(Exception):
    """A case could not be run."""


class NotRunnableError(Exception):
    """A baseline cannot be installed or does not work here; its places in the table stay empty."""
