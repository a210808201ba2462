"""What tgbulk is held against: a plain Telethon loop, and exporters from PyPI as they are."""
