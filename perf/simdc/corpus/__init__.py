"""What the simulated data centre holds: people, chats, messages of every kind and media, made from a seed."""
