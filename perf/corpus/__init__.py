"""Archives of any size without a server, and programs that read them: what the bench renders."""
