"""Reads every message of a chat once, in one of three ways; what the case `render` measures.

`python -m tgbulk.perf.corpus.read messages|raw|orjson ARCHIVE CHAT`: by the public reader, by its raw objects, or
orjson.loads of each line of messages.jsonl.
"""
from __future__ import annotations

import sys


def main() -> None:
    way, root, chat = sys.argv[1:]
    if way == "orjson":
        import orjson

        with open(f"{root}/chats/{chat}/messages.jsonl", "rb") as lines:
            for line in lines:
                orjson.loads(line)
        return
    import tgbulk

    found = tgbulk.open(root).chat(int(chat))
    if way == "raw":
        for _ in found.messages(raw=True):
            pass
        return
    for message in found.messages():
        _ = message.text, message.sender, message.date


if __name__ == "__main__":
    main()
