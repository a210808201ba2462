"""What verify says of a whole archive, for the tests that spoil one."""
from __future__ import annotations

from pathlib import Path

from support import telegram_page as made
from support.walks import CHAT
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.verify.archive import check_archive
from tgbulk.stages.verify.report import Report, Weight

CHANNEL = made.channel(9)
OTHER = -5
CHAT_JSON, MESSAGES, PEERS = (f"chats/{CHAT}/{name}" for name in ("chat.json", "messages.jsonl", "peers.jsonl"))


def check(root: Path, *only: int) -> dict[int | None, Report]:
    return {report.marked_id: report for report in check_archive(Archive(root), list(only) or None, not only)}


def texts(report: Report, weight: Weight = Weight.DAMAGE) -> list[str]:
    return [f"{one.file}: {one.text}" for one in report.findings if one.weight == weight]
