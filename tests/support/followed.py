"""Chats of an archive that are told what changed: a channel, and an account's private chat and group."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from support import telegram_page as made
from support.line import Line
from support.told import said
from support.walks import CHAT, lines, record
from tgbulk.engine.frame import pack
from tgbulk.stages.archive.account import AccountState
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.row import ChatRow, read_journal
from tgbulk.stages.protocol.difference import BoxRequest, DifferenceReceipt, StateReply, StateRequest
from tgbulk.stages.protocol.receipt import PayloadKind, Receipt

ACCOUNT = 77
#: A private chat and a basic group of the account.
FRIEND, GROUP = 6, -5
NOW = 1_800_000_000


def told(line: Line, answer: bytes, channel: int = 0) -> DifferenceReceipt:
    receipt: DifferenceReceipt = line.send(PayloadKind.DIFFERENCE, answer, origin=ACCOUNT, subject=channel)
    return receipt


def state(line: Line, **fields: Any) -> StateReply:
    reply: StateReply = line.send(PayloadKind.STATE, pack(StateRequest(ACCOUNT, **fields)))
    return reply


def box(line: Line, pts: int, lost: bool = False) -> StateReply:
    reply: StateReply = line.send(PayloadKind.BOX, pack(BoxRequest(ACCOUNT, CHAT, pts, lost)))
    return reply


def again(line: Line, messages: list[Any], first: int, bound: int, last: bool = False, chat: int = CHAT) -> Receipt:
    kind = PayloadKind.AGAIN_END if last else PayloadKind.AGAIN
    receipt: Receipt = line.send(kind, made.page(messages), first=first, bound=bound, origin=ACCOUNT, subject=chat)
    return receipt


def walk(line: Line, ids: range, chat: int = CHAT, kind: str = "channel", stream: int = 0) -> None:
    """A chat, exported whole."""
    line.begin(record(chat, kind), stream)
    line.page(made.page([said(n, peer=chat) for n in ids]), 1, stream=stream)
    line.page(made.page([]), ids[-1] + 1, stream=stream, last=True)
    line.end(record(chat, kind), stream)
    line.writer.commit()


def followed(root: Path, ids: range = range(1, 11)) -> Line:
    """A channel whose box is known, exported."""
    line = Line(root)
    line.begin(record())
    box(line, 100)
    line.page(made.page([said(n) for n in ids]), 1)
    line.page(made.page([]), ids[-1] + 1, last=True)
    line.end(record())
    line.writer.commit()
    line.said()
    return line


def common(root: Path, ids: range = range(1, 11)) -> Line:
    """An account's state, then a private chat with the odd ids and a group with the even ones."""
    line = Line(root)
    state(line, state=AccountState(ACCOUNT, 50, 0, NOW, 1))
    walk(line, range(ids.start, ids.stop, 2), FRIEND, "private", 0)
    walk(line, range(ids.start + 1, ids.stop, 2), GROUP, "group", 1)
    line.said()
    return line


def changes(root: Path, chat: int = CHAT) -> list[tuple[Any, ...]]:
    """(kind, id, how, pts, text) of every line."""
    if not (root / "chats" / str(chat) / "changes.jsonl").exists():
        return []
    return [
        (one["kind"], one["id"], one["how"], one["pts"], one.get("message", {}).get("message"))
        for one in lines(root, "changes", chat)
    ]


def row(root: Path, chat: int = CHAT) -> ChatRow:
    return read_journal(Archive(root)).chats[chat]
