"""Archives of different chats become one."""
from __future__ import annotations

from collections.abc import Iterator

from tgbulk.engine.durable import make_folder
from tgbulk.engine.error import UsageError
from tgbulk.engine.folder import Place
from tgbulk.stages.archive.account import is_common
from tgbulk.stages.archive.catalogue import SameChatError
from tgbulk.stages.archive.committed import CommittedArchive, CommittedChat, Stretch
from tgbulk.stages.archive.folder import Archive
from tgbulk.stages.archive.media_reader import MediaReader
from tgbulk.stages.archive.media_rows import CarriedFiles, read_carried
from tgbulk.stages.archive.restored import Restored
from tgbulk.stages.fleet.puller import keep_file

_CHUNK = 1 << 20


class ForeignAccountError(UsageError):
    """{1} has private chats of account {0}, and {3} of account {2}: their ids may mean different chats"""

    advice = "An archive holds the private chats of one account; merge each account's archives by themselves."


def merge(sources: list[Archive], target: Archive) -> int:
    """Copy every chat of the sources into the target, whose lock is the caller's; how many. The sources are only read, and a
    run may go on in them. SameChatError, ForeignAccountError, StorageError, OSError; then nothing was copied, or the target
    can be merged into again after its chats are removed."""
    opened = [CommittedArchive(one) for one in sources]
    restored = Restored(target)
    try:
        _check(opened, target, restored)
        count, files = 0, None
        for one in opened:
            reader = MediaReader(one.archive.media_index)
            for chat in one.chats():
                found = one.chat(chat)
                restored.add(found.row, found.about, files_of(found), found.raw, found.annexes)
                count += 1
                if not reader.empty:
                    files = files or CarriedFiles(target)
                    _copy_files(found, one.archive, target, reader, files)
            reader.close()
        if files is not None:
            files.close()
    finally:
        restored.close()
    return count


def _check(sources: list[CommittedArchive], target: Archive, restored: Restored) -> None:
    places = {chat: target for chat, row in restored.rows.items() if row.committed}
    accounts = {row.account: target for chat, row in restored.rows.items() if row.committed and is_common(chat)}
    for one in sources:
        for chat in one.chats():
            if chat in places:
                raise SameChatError(chat, places[chat].root, one.archive.root)
            places[chat] = one.archive
            if is_common(chat):
                account = one.row(chat).account
                other = next((known for known in accounts if known != account), None)
                if other is not None:
                    raise ForeignAccountError(account, one.archive.root, other, accounts[other].root)
                accounts[account] = one.archive


def files_of(found: CommittedChat) -> dict[str, Iterator[bytes]]:
    """The bytes of each file, read when they are wanted."""
    return {name: _lines(some) for name, some in found.files.items()}


def _lines(stretches: list[Stretch]) -> Iterator[bytes]:
    for one in stretches:
        for _, block in one.read(0, one.size, _CHUNK):
            yield block


def _copy_files(found: CommittedChat, source: Archive, target: Archive, reader: MediaReader, files: CarriedFiles) -> None:
    for _, one in read_carried(reader, found.marked_id):
        for path, size, sha256 in one.copies:
            make_folder(target.media)
            keep_file(target.media / path, _content(source.media / path), size, sha256, source.root)
        files.add(found.marked_id, one)
    files.commit()


def _content(place: Place) -> Iterator[bytes]:
    with place.reader() as file:
        while data := file.read(_CHUNK):
            yield data
