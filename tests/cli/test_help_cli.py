"""`tgbulk help`: every page is there, whole, wherever tgbulk is installed."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import COMMAND

DOCS = Path(__file__).parents[2] / "docs"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "tgbulk", "help", *words], capture_output=True, text=True, check=False)


def test_topics_are_listed() -> None:
    done = run()
    assert done.returncode == 0
    topics = [line.split()[0] for line in done.stdout.splitlines()[1:]]
    assert len(topics) == len(list(DOCS.glob("*.md"))) + len(list((DOCS / "spec").glob("*.md")))
    assert {"archive", "exit-codes", "metrics", "vaapi", "spec/media-download"} <= set(topics)


@pytest.mark.parametrize(("topic", "page"), [
    ("exit-codes", "exit-codes.md"), ("EXIT-CODES.md", "exit-codes.md"), ("vaapi", "VAAPI_GUIDE.md"),
    ("spec/telethon-hooks", "spec/telethon-hooks.md"),
])
def test_a_page_is_shown_as_it_is(topic: str, page: str) -> None:
    done = run(topic)
    assert (done.returncode, done.stdout.strip()) == (0, (DOCS / page).read_text().strip())


@pytest.mark.parametrize("topic", ["nothing", "../setup", "/etc/passwd", ""])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    done = run(topic)
    assert (done.returncode, done.stdout) == (2, "")
    assert f'there is no help about "{topic}"' in done.stderr
    assert "tgbulk help" in done.stderr


LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]+)?\)")
ROOT = DOCS.parent
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = [target for target, _ in LINK.findall(page.read_text()) if not target.startswith(("http://", "https://"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_sections_that_the_code_cites_exist() -> None:
    headings = {
        (page.name, number) for page in (DOCS / "spec").glob("*.md")
        for number in re.findall(r"^## (\d+)\. ", page.read_text(), re.MULTILINE)
    }
    cited = {
        found for room in ("engine", "stages", "scripts/tgbulk/cli", "perf") for page in (ROOT / room).rglob("*.py")
        for found in re.findall(r"docs/spec/([a-z-]+\.md) (\d+)", page.read_text())
    }
    assert len(cited) > 15
    assert cited - headings == set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["exprot"], "No such command 'exprot'. Did you mean 'export'?"),
        (["chats", "--foldr", "News"], "--folder"),
        (["export", "-o", "a", "--exclud=me"], "--exclude"),
        (["status", "--jsn"], "No such option '--jsn'. Did you mean '--json'?"),
    ],
)
def test_what_is_mistyped_is_answered_with_what_may_be_meant(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, *words], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not list(tmp_path.iterdir())
