"""Telegram's data as every stage sees it: layouts of constructors, the sparse form of an object, and its decoder."""
