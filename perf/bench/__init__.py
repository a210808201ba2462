"""`make bench`: tgbulk against a plain Telethon loop and other exporters, on one simulated data centre."""
