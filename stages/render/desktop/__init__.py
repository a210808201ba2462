"""Telegram Desktop's machine-readable export, result.json, byte for byte as Telegram Desktop lays it out."""
