"""Notes in Markdown: a vault for Obsidian, plain CommonMark, or text for language models."""
