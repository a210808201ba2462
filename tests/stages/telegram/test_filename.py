from __future__ import annotations

import unicodedata

import pytest

from tgbulk.perf.simdc.corpus.filename import HOSTILE
from tgbulk.stages.telegram.filename import LIMIT, media_path, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\win.ini", "win.ini"),
        ("/absolute/path.txt", "path.txt"),
        ("C:\\autoexec.bat", "autoexec.bat"),
        ("folder/", ""),
        ("nul\x00byte.txt", "nulbyte.txt"),
        ("control\x01\x1b[2J\x7f\x85.txt", "control__[2J__.txt"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("a\u200e\u2066b\u2028c.txt", "a__b_c.txt"),
        ('a:b*c?d"e<f>g|h.txt', "a_b_c_d_e_f_g_h.txt"),
        ("cafe\u0301.txt", "caf\u00e9.txt"),
        (" spaces .txt ", "spaces .txt"),
        ("dots. . .", "dots"),
        ("", ""), (".", ""), ("..", ""), ("...", ""), (" . ", ""),
        ("CON.txt", "_CON.txt"), ("aux", "_aux"), ("Lpt9.tar.gz", "_Lpt9.tar.gz"), ("com\u00b9", "_com\u00b9"),
        ("console.txt", "console.txt"), ("com10", "com10"),
        ("x.LNK", "x.LNK.download"), ("a.url", "a.url.download"), ("b.scf", "b.scf.download"),
        (".htaccess", ".htaccess"), ("-rf", "-rf"), ("👨\u200d👩.png", "👨\u200d👩.png"),
    ],
)
def test_names_made_harmless(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize("letter", ["x", "é", "ж", "📎"])
@pytest.mark.parametrize("extension", ["", ".pdf", ".tar.gz", "." + "e" * 300])
@pytest.mark.parametrize("limit", [30, LIMIT])
def test_long_names_are_cut_between_characters_and_keep_their_extension(letter: str, extension: str, limit: int) -> None:
    for length in range(limit // 4 - 9, limit + 3):
        safe = safe_name(letter * length + extension, limit)
        assert len(safe.encode()) <= limit
        assert "\ufffd" not in safe
        if extension == ".pdf":
            assert safe.endswith(extension)
        assert len(safe.encode()) > limit - 8 or safe == letter * length + extension


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_path_never_holds(name: str) -> None:
    path = media_path("document", 2305843198702203478, name, "application/octet-stream")
    category, shard, last = path.split("/")
    assert (category, shard) == ("document", "56")
    assert last.startswith("2305843198702203478")
    assert len(last.encode()) <= LIMIT
    assert last == unicodedata.normalize("NFC", last)
    assert not any(unicodedata.category(one) == "Cc" for one in last)
    assert not last.endswith((".", " ", ".desktop", ".lnk"))


def test_a_name_of_its_own_or_the_id() -> None:
    assert media_path("photo", 0x1234, "", "image/jpeg", "y") == "photo/34/4660_y.jpg"
    assert media_path("voice", 0x12FF, "", "audio/ogg") == "voice/ff/4863.ogg"
    assert media_path("document", 16, "", "x/unknown") == "document/10/16.bin"
    assert media_path("document", 16, "notes", "text/plain") == "document/10/16_notes.txt"
    assert media_path("document", 16, "notes", "x/unknown") == "document/10/16_notes"
    assert media_path("document", 16, "notes.md", "text/plain") == "document/10/16_notes.md"
    assert media_path("document", 16, "..", "TEXT/plain") == "document/10/16.txt"
    assert media_path("sticker", -2, "", "image/webp") == "sticker/fe/-2.webp"
