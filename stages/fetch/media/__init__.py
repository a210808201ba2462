"""Downloads: parts of files over connections of their own, beside the history."""
