"""Takes the pictures of docs/render.md from the demo: `python -m tgbulk.perf.pictures.render FOLDER` writes html.png,
html-dark.png and markdown.png. Needs Chromium."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path

from tgbulk.perf.simdc.launcher import SimDC

#: The chat that is shown: a channel's discussion group.
CHAT = "-1002400000005"
WIDTH, HEIGHT = 900, 640
_QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)


def main() -> None:
    folder = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory(prefix="tgbulk-picture-") as scratch:
        root = Path(scratch)
        export(root)
        page = root / "html" / CHAT / "messages.html"
        first = min((root / "markdown" / CHAT / "2021").glob("*.md"))
        note = root / "note.html"
        style = "<meta charset=utf-8><style>body{margin:24px;font:15px/1.5 monospace;white-space:pre-wrap}</style>"
        note.write_text(f"{style}{escape(first.read_text())}")
        shoot(page, folder / "html.png", root)
        shoot(page, folder / "html-dark.png", root, "--blink-settings=preferredColorScheme=0")
        shoot(note, folder / "markdown.png", root)


def export(root: Path) -> None:
    """The demo's chat with its media, and both renders of it."""
    with SimDC() as dc:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TGBULK_", "TELEGRAM_"))}
        environment |= {"TGBULK_HOME": str(root / "home"), "TGBULK_SERVER": str(dc.server_file)}
        account = dc.accounts[0]
        for words in (
            ["login", "--phone", f"+{account['phone']}", "--code", account["code"]],
            ["export", CHAT, "-o", str(root / "archive"), "--media", "all", "--thumbnails", "--quiet"],
            *(["render", form, str(root / "archive"), "-o", str(root / form), "--timezone", "UTC", "--quiet"]
              for form in ("html", "markdown")),
        ):
            subprocess.run([sys.executable, "-m", "tgbulk", *words], env=environment, capture_output=True, check=True)


def shoot(page: Path, picture: Path, root: Path, *more: str) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    words = [browser, *_QUIET, *more, f"--user-data-dir={root / 'browser'}", f"--window-size={WIDTH},{HEIGHT}",
             f"--screenshot={picture}", page.as_uri()]
    subprocess.run(words, capture_output=True, check=True, timeout=120)


if __name__ == "__main__":
    main()
