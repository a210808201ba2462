from __future__ import annotations

from pathlib import Path
from zlib import crc32

import pytest

from tgbulk.engine.document import DamagedDocumentError, dump, load
from tgbulk.engine.error import ExitCode

DOCUMENT = {"id": -1001, "title": "Grüße \u202e\n", "seconds": 0.1, "ids": [[1, 2]], "none": None, "of": {"crc": 1}}


def test_a_document_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(dump(DOCUMENT))
    assert load(path) == DOCUMENT


def test_every_other_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    data = dump(DOCUMENT)
    for place in range(len(data)):
        for change in (0x01, 0x20, 0x80):
            path.write_bytes(data[:place] + bytes([data[place] ^ change]) + data[place + 1 :])
            with pytest.raises(DamagedDocumentError) as caught:
                load(path)
            assert caught.value.exit_code == ExitCode.STORAGE


def test_every_cut_and_addition_is_found(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    data = dump(DOCUMENT)
    for other in (*(data[:end] for end in range(len(data))), data + b"\n", b" " + data, data + data):
        path.write_bytes(other)
        with pytest.raises(DamagedDocumentError):
            load(path)


@pytest.mark.parametrize("data", [b"[]", b"7", b"null", b'{"title": "not ours"}'])
def test_other_json(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(data)
    with pytest.raises(DamagedDocumentError, match="it cannot be read"):
        load(path)


def test_people_can_read_it_and_other_programs_check_it() -> None:
    """A field a line, and a line feed at the end; the sum is that of the same without it, as docs/archive.md says."""
    data = dump({"id": 1, "of": [2]})
    rest = b'{\n  "id": 1,\n  "of": [\n    2\n  ]\n}'
    assert data == rest.removesuffix(b"\n}") + b',\n  "crc32": %d\n}\n' % crc32(rest)


def test_what_is_wrong_is_said_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "chat.json"
    path.write_bytes(dump(DOCUMENT).replace(b"1001", b"1002"))
    with pytest.raises(DamagedDocumentError) as caught:
        load(path)
    assert str(caught.value) == f"{path} is damaged: it is not what was written"
    assert caught.value.args == (path, "it is not what was written")
    path.unlink()
    with pytest.raises(FileNotFoundError):
        load(path)
