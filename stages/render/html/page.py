"""The frame of every page of the site: head with its policy, title, ways to other pages, and the end.

Nothing loads from elsewhere and nothing runs: `default-src 'none'`, pictures, media and style from beside the page alone;
scripts only on the search page (docs/spec/render.md 1).
"""
from __future__ import annotations

from pathlib import Path

from tgbulk.engine.folder import Place
from tgbulk.stages.render.html.text import escaped, quoted

_POLICY = (
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'self'; {scripts}base-uri 'none'; form-action 'none'"
)
#: Behind it comes what depends on whether a further page follows.
END = "<!-- end of page -->\n"
_FOOT = "</div>\n</div>\n</body>\n</html>\n"
#: Links of a chat's pages: file, words.
_FIRST = ("messages.html", "Messages")
_WAYS = (("calendar.html", "Calendar"), ("media.html", "Media"), ("links.html", "Links"))


def head(title: str, *, root: str = "", ways: str = "", scripts: bool = False) -> str:
    """The beginning of a page, up to its body. title: as somebody wrote it. root: the way to the site's root."""
    policy = _POLICY.format(scripts="script-src 'self'; " if scripts else "")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{escaped(title)}</title>\n'
        f'<link rel="stylesheet" href="{root}style.css">\n</head>\n<body>\n<div class="page_wrap">\n'
        f'<div class="page_header">\n<div class="content">\n<div class="text bold" dir="auto">{escaped(title)}</div>\n'
        f"{ways}</div>\n</div>\n"
    )


def chat_ways(forum: bool, by_month: bool, about: bool) -> str:
    """The ways between the pages of a chat. about: whether there is a page of what belongs to it."""
    numbered, topics = [] if by_month else [_FIRST], [("topics.html", "Topics")] if forum else []
    more = [("about.html", "About")] if about else []
    ways = [("../index.html", "All chats"), *numbered, *_WAYS, *topics, *more, ("search.html", "Search")]
    links = "".join(f'<a href="{file}">{words}</a>' for file, words in ways)
    return f"<nav>{links}</nav>\n"


def begin(kind: str, before: str = "") -> str:
    """The beginning of a page's body. before: file of the page before it."""
    back = f'<a class="pagination block_link" href="{before}">Previous page</a>\n' if before else ""
    return f'<div class="page_body {kind}">\n{back}'


def end(after: str = "") -> str:
    """The end of a page that others may follow. after: file of the next one."""
    more = f'<a class="pagination block_link" href="{after}">Next page</a>\n' if after else ""
    return f"{END}{more}{_FOOT}"


def whole(title: str, body: str, *, root: str = "", ways: str = "", scripts: bool = False) -> bytes:
    """A page that nothing follows."""
    opening = head(title, root=root, ways=ways, scripts=scripts)
    return f"{opening}{begin('page')}{body}{_FOOT}".encode("utf-8", "replace")


def search_page(title: str, lists: list[str], *, root: str, ways: str) -> bytes:
    """The page that searches; lists: scripts that name the pages of chats."""
    body = (
        f'<div id="search" data-lists="{quoted(" ".join(lists))}"><noscript>Search is the one page that needs JavaScript, '
        "and here it is switched off.</noscript></div>\n"
        f'<script src="{root}search.js" defer></script>\n'
    )
    return whole(f"Search: {title}", body, root=root, ways=ways, scripts=True)


def finish(path: Path, after: str) -> None:
    """Write the end of a page that has none yet. OSError."""
    with open(path, "ab") as file:
        file.write(end(after).encode())


def followed_by(path: Path, after: str) -> bool:
    """Whether a page that is there ends as if this one followed it. OSError."""
    wanted = end(after).encode()
    with Place.of(path).reader() as file:
        file.seek(max(0, path.stat().st_size - len(wanted)))
        return file.read() == wanted


def finish_again(source: Path, target: Path, after: str) -> None:
    """Copy a page whose next one is another now. OSError."""
    data = source.read_bytes()
    target.write_bytes(data[: data.rindex(END.encode())] + end(after).encode())


def asset(name: str) -> bytes:
    """style.css or search.js. OSError."""
    return (Path(__file__).parent / name).read_bytes()
