"""Job files, and runs that need no repetition of their options."""
from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest

from support.exporter import Exporter, chat_json
from tgbulk.cli.export import export
from tgbulk.cli.job import job_params, long_name

JOB = """\
# every night
output = "${ARCHIVES}/nightly"
takeout = "no"

[[export]]
chats = ["@sim_kinds", "me"]
type = ["channel", "group"]
exclude = ["@sim_channel"]
last = 5

[[export]]
folder = "Shared"
output = "${ARCHIVES}/shared"
media = ["photo", "voice"]
no-archived = true
"""
KINDS, LIVING, ME, FORUM, CHANNEL = -1001500000011, -4500000001, 5000000001, -1001500000010, -1001500000004


def chats(archive: Path) -> set[int]:
    return {int(path.name) for path in (archive / "chats").iterdir()}


def write(folder: Path, text: str) -> str:
    path = folder / "job.toml"
    path.write_text(text)
    return str(path)


def schema(exporter: Exporter) -> Any:
    return json.loads(exporter.tgbulk("job", "schema").stdout)


@pytest.mark.parametrize(
    ("words", "variables", "text"),
    [
        (["--max-size", "20M", "--media", "all"], {"MAX_SIZE": "20M", "MEDIA": "all"}, 'max-size = "20M"\nmedia = "all"'),
        (["--last", "5"], {"LAST": "5"}, "last = 5"),
        (["--gentle"], {"GENTLE": "1"}, "gentle = true"),
        (["--no-gentle"], {"GENTLE": "0"}, "gentle = false"),
        (["--no-archived"], {"ARCHIVED": "false"}, "archived = false"),
        (["--media", "photo,voice"], {"MEDIA": "photo,voice"}, 'media = ["photo", "voice"]'),
        (["--exclude", "@abc", "--exclude", "@bcd"], {"EXCLUDE": "@abc @bcd"}, 'exclude = ["@abc", "@bcd"]'),
        (["--type", "channel,group"], {"TYPE": "channel,group"}, 'type = ["channel", "group"]'),
        (["--type", "channel", "--type", "group"], {"TYPE": "channel group"}, 'type = "channel,group"'),
        (["--account", "one", "--account", "two"], {"ACCOUNT": "one two"}, 'account = ["one", "two"]'),
        (["--all"], {"ALL": "yes", "MATCH": ""}, "all = true"),
    ],
)
def test_one_rule_for_options_variables_and_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], variables: dict[str, str], text: str
) -> None:
    """As the table of docs/jobs.md has it."""
    def params(*arguments: str) -> dict[str, Any]:
        made = export.make_context("export", ["-o", "archive", *arguments]).params
        return {name: value for name, value in made.items() if name != "job"}

    given = params(*words)
    assert given != params() or words == ["--no-gentle"]
    assert params("--job", write(tmp_path, text + "\n")) == given
    for name, value in variables.items():
        monkeypatch.setenv(f"TGBULK_EXPORT_{name}", value)
    assert params() == given


def test_options_that_say_how_the_command_is_called_have_no_variable() -> None:
    with_variable = {long_name(param) for param in export.params if isinstance(param, click.Option) and param.envvar}
    assert with_variable == set(job_params(export)) - {"chats"}


@pytest.mark.parametrize("words", [["export", "--job"], ["job", "run"]])
def test_a_job_of_two_parts(exporter: Exporter, tmp_path: Path, words: list[str]) -> None:
    job = write(tmp_path, JOB.replace('no-archived = true\n', 'archived = false\n'))
    jsonschema.validate(tomllib.loads(Path(job).read_text()), schema(exporter))
    assert exporter.tgbulk("job", "check", job, ARCHIVES=str(tmp_path)).stderr == f"{job}: 2 parts, nothing is wrong\n"
    done = exporter.tgbulk(*words, job, ARCHIVES=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert chats(tmp_path / "nightly") == {KINDS, ME, LIVING}
    assert chat_json(tmp_path / "nightly", KINDS)["messages"] == 5
    assert chats(tmp_path / "shared") == {CHANNEL, LIVING, FORUM}
    assert (tmp_path / "shared" / "media").is_dir()
    assert not (tmp_path / "nightly" / "media").exists()


def test_what_is_given_beside_a_job_wins(exporter: Exporter, tmp_path: Path) -> None:
    job = write(tmp_path, 'output = "nowhere"\nchats = ["me"]\nlast = 3\n')
    other = {"TGBULK_EXPORT_LAST": "4", "TGBULK_EXPORT_OUTPUT": str(tmp_path / "b")}
    done = exporter.tgbulk("export", "--job", job, "-o", str(tmp_path / "a"), **other)
    assert done.returncode == 0, done.stderr
    assert chat_json(tmp_path / "a", ME)["messages"] == 4
    done = exporter.tgbulk("export", "@sim_kinds", "--job", job, "--last", "2", **other)
    assert done.returncode == 0, done.stderr
    assert chats(tmp_path / "b") == {KINDS}
    assert chat_json(tmp_path / "b", KINDS)["messages"] == 2


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ('output = "a"\nchats = ["me"\n', "line 3, column 1", ""),
        ('output = "a"\n[[export]]\nchats = ["me"]\n[[export]]\n  chatz = [""]\n', "line 5, column 3", "is 'chats'"),
        ('output = "a"\nchats = ["me"]\nmax-in-flight = 999\n', "line 3, column 1", "999 is not in the range"),
        ('output = "${TGBULK_NO_SUCH}"\nchats = ["me"]\n', "line 1, column 1", "no TGBULK_NO_SUCH"),
        ('output = "a"\nchats = ["me"]\n[[export]]\n[[export]]\nmedia = "cats"\n', "line 5, column 1", "'cats' is not"),
        ('output = "a"\nchats = ["me"]\ngentle = "yes"\n', "line 3, column 1", "true or false"),
        ('chats = ["me"]\n', "part 1", "Missing option"),
        ('output = "a"\n[export]\nchats = ["me"]\n', "line 2, column 2", "[[export]]"),
    ],
)
def test_mistakes_have_a_place(exporter: Exporter, tmp_path: Path, text: str, where: str, what: str) -> None:
    job = write(tmp_path, text)
    for words in (["job", "check", job], ["export", "--job", job]):
        done = exporter.tgbulk(*words)
        assert done.returncode == 2
        assert f"{job}, {where}: " in done.stderr
        assert what in done.stderr
        assert not (exporter.tgbulk.home / "a").exists()


def test_one_part_that_fails(exporter: Exporter, tmp_path: Path) -> None:
    parts = '[[export]]\nchats = ["@sim_nobody_at_all"]\n[[export]]\nchats = ["me"]\n'
    job = write(tmp_path, f'output = "{tmp_path}/a"\n{parts}')
    done = exporter.tgbulk("export", "--job", job)
    assert done.returncode == 3
    assert chats(tmp_path / "a") == {ME}


def test_again_and_retry_repeat_the_options(exporter: Exporter, tmp_path: Path) -> None:
    archive = tmp_path / "a"
    exporter.run(archive, "me", "@sim_nobody_at_all", "--last", "3", "--media", "photo", code=3)
    done = exporter.tgbulk("export", str(archive), "--again")
    assert done.returncode == 3
    assert chat_json(archive, ME)["messages"] == 3
    kept = [json.loads(path.read_text())["options"] for path in sorted(archive.glob("runs/*/options.json"))]
    assert kept == [{"chats": ["me", "@sim_nobody_at_all"], "last": "3", "media": "photo"}] * 2
    exporter.run(archive, "--retry-failed", code=4)
    assert len(list(archive.glob("runs/*/options.json"))) == 2
    done = exporter.tgbulk("export", str(archive), "--again", "--last", "4")
    assert chat_json(archive, ME)["messages"] == 4
    assert exporter.tgbulk("verify", str(archive)).returncode == 0
    done = exporter.tgbulk("export", str(tmp_path / "none"), "--again")
    assert (done.returncode, "no run kept its options there" in done.stderr) == (2, True)
