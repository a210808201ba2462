from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from support.command import COMMAND
from tgbulk.cli.selection import parse_moment
from tgbulk.cli.setting import ALL_PROXY, VARIABLES, MissingApiError, read_setting
from tgbulk.cli.transcode import transcode_config
from tgbulk.engine.error import ExitCode, UsageError
from tgbulk.stages.transcode.config import TranscodeConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file, not there yet, with nothing else set and an empty working folder."""
    for variable in (*VARIABLES.values(), *ALL_PROXY):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config" / "tgbulk" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be another user")
def test_a_user_without_a_home() -> None:
    """As docker --user makes one: no HOME, no entry in passwd. TGBULK_HOME suffices."""
    nobody = ["setpriv", "--reuid", "54321", "--regid", "54321", "--clear-groups"]
    for variables, status in (({}, 2), ({"TGBULK_HOME": "/nowhere"}, 0)):
        done = subprocess.run(
            [*nobody, COMMAND, "accounts"], env={"PATH": os.environ["PATH"], **variables}, capture_output=True, text=True,
            check=False, cwd="/",
        )
        assert done.returncode == status, done.stderr
        assert ("no home folder" in done.stderr) is bool(status)
        assert ("TGBULK_HOME" in done.stderr) is bool(status)


def test_defaults(config: Path, tmp_path: Path) -> None:
    setting = read_setting()
    assert setting.account == "main"
    assert setting.server is None
    assert setting.home == tmp_path / "data" / "tgbulk"
    with pytest.raises(MissingApiError, match="TELEGRAM_API_ID is not set"):
        _ = setting.access


def test_a_working_folder_that_was_removed(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert read_setting().home == tmp_path / "data" / "tgbulk"


def test_each_place_beats_the_next(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text("api_id = 1\napi_hash = 'file'\naccount = 'file'\nhome = '~/x'\n")
    setting = read_setting()
    assert (setting.api_id, setting.api_hash, setting.account) == (1, "file", "file")
    assert setting.home == Path.home() / "x"
    Path(".env").write_text("TGBULK_ACCOUNT=dotenv\nTELEGRAM_API_HASH=dot$HOMEenv\nTELEGRAM_API_ID=\n")
    setting = read_setting()
    assert (setting.api_id, setting.api_hash, setting.account) == (1, "dot$HOMEenv", "dotenv")
    monkeypatch.setenv("TGBULK_ACCOUNT", "environment")
    monkeypatch.setenv("TELEGRAM_API_HASH", "")
    setting = read_setting()
    assert (setting.api_hash, setting.account) == ("dot$HOMEenv", "environment")
    assert read_setting(accounts=("flag",)).account == "flag"
    assert "dot$HOMEenv" not in repr(setting)


def test_lines_of_dotenv_that_set_nothing_are_told(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".env").write_text('# nothing\n\nthree words here\nexport TGBULK_ACCOUNT="one"\nTGBULK_HOME="unclosed\n')
    assert read_setting().account == "one"
    assert capsys.readouterr().err.splitlines() == [
        f"tgbulk: warning: .env: line {number} is not NAME=value and is ignored" for number in (3, 5)
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_under_cron_what_lies_beside_the_sessions_is_read(tmp_path: Path) -> None:
    """Another working folder, and next to no variables; what the two files say differently, config.toml says."""
    home = tmp_path / ".local" / "share" / "tgbulk"
    home.mkdir(parents=True)
    (home / "config.toml").write_text("api_id = 77\n")
    (home / ".env").write_text("TELEGRAM_API_ID=1\nTELEGRAM_API_HASH=0123\nTGBULK_ACCOUNT=nightly\n")
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([COMMAND, "doctor"], env=bare, cwd="/", capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert ("nightly" in said, "TELEGRAM_API" in said) == (True, False), said
    code = "from tgbulk.cli.setting import read_setting; one = read_setting(); print(one.api_id, one.api_hash, one.account)"
    found = subprocess.run([sys.executable, "-c", code], env=bare, cwd="/", capture_output=True, text=True, check=False)
    assert found.stdout == "77 0123 nightly\n", found.stderr


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7_200), ("7d", 604_800), ("1w", 604_800)])
def test_time_ago(text: str, seconds: int) -> None:
    before = int(time.time()) - seconds
    found = parse_moment(text, False, None)
    assert found is not None
    assert before <= found <= int(time.time()) - seconds


@pytest.mark.parametrize("text", ["7", "7y", "d", "-7d", "7 d"])
def test_no_time_ago(text: str) -> None:
    with pytest.raises(click.BadParameter, match="7d"):
        parse_moment(text, False, None)


@pytest.mark.parametrize("name", [".env", "config"])
def test_a_pipe_is_no_file_of_settings(config: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Who opens one waits for somebody else."""
    path = Path(".env") if name == ".env" else config
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    assert read_setting().account == "main"
    assert capsys.readouterr().err == f"tgbulk: warning: {path} is ignored: {path} is not a file of its own\n"



@pytest.mark.parametrize("name", [".env", "config"])
@pytest.mark.parametrize(
    ("file", "folder", "reason"),
    [
        (0o600, 0o700, ""), (0o644, 0o755, ""), (0o664, 0o775, ""), (0o444, 0o555, ""),
        (0o602, 0o700, "others can write to"), (0o646, 0o755, "others can write to"),
        (0o600, 0o702, "others can write to"), (0o600, 0o1777, "others can write to"),
        (-1, 0o700, "belongs to another user"), (0o600, -1, "belongs to another user"),
    ],
)
def test_settings_that_others_may_have_written_are_ignored(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, file: int, folder: int, reason: str
) -> None:
    """-1: it is another user's. A server named there would get the phone number and the code."""
    path = Path(".env") if name == ".env" else config
    path.write_text("TGBULK_ACCOUNT=planted\n" if name == ".env" else "account = 'planted'\n")
    for one, mode in ((path, file), (path.parent, folder)):
        one.chmod(mode if mode >= 0 else 0o755)
        os.chown(one, *((12345, 12345) if mode < 0 else (os.geteuid(), os.geteuid())))
    try:
        assert read_setting().account == ("main" if reason else "planted")
    finally:
        os.chown(path.parent, os.geteuid(), os.getegid())
        path.parent.chmod(0o700)
    said = capsys.readouterr().err
    assert said.count("\n") == bool(reason)
    assert reason in said


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("hash = 'x'", "there is no setting 'hash'; it can hold api_id, api_hash, server, home, account"),
        ("account = 1", "account is not a string"),
        ("api_id = true", "api_id is not a string"),
        ("api_id = 'x'", "TELEGRAM_API_ID is not a number"),
        ("api_id = 99999999999", "TELEGRAM_API_ID is not a number"),
        ("api_id", "Expected '='"),
        ("force_cpu_transcode = 2", "force_cpu_transcode is not a string"),
        ("force_cpu_transcode = 'maybe'", "FORCE_CPU_TRANSCODE is 'maybe'; it can be 1 or 0"),
    ],
)
def test_a_mistake_in_the_configuration_is_named(config: Path, text: str, mistake: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageError, match=mistake):
        read_setting()


def test_the_example_shows_every_setting() -> None:
    example = (Path(__file__).parents[2] / ".env.example").read_text()
    names = [line.partition("=")[0] for line in example.splitlines() if line and not line.startswith("#")]
    assert sorted(names) == sorted(VARIABLES.values())


def test_the_exit_codes_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "exit-codes.md").read_text()
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [(int(code), name.strip()) for code, name in rows] == [(c.value, c.name.lower()) for c in ExitCode]


def test_videos(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert transcode_config(read_setting()) == TranscodeConfig(force_cpu=False, device=None)
    config.write_text("force_cpu_transcode = true\nvaapi_device_path = '/dev/dri/renderD129'\n")
    assert transcode_config(read_setting()) == TranscodeConfig(force_cpu=True, device=Path("/dev/dri/renderD129"))
    monkeypatch.setenv("FORCE_CPU_TRANSCODE", "off")
    monkeypatch.setenv("VAAPI_DEVICE_PATH", "/dev/dri/renderD130")
    assert transcode_config(read_setting()) == TranscodeConfig(force_cpu=False, device=Path("/dev/dri/renderD130"))
    flags = transcode_config(read_setting(), True, "/dev/dri/renderD131")
    assert flags == TranscodeConfig(force_cpu=True, device=Path("/dev/dri/renderD131"))
    with pytest.raises(UsageError, match="a comma in its name"):
        transcode_config(read_setting(), None, "/dev/dri/a,b")


def test_where_a_proxy_is_looked_for(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def route(*accounts: str, **flags: str) -> tuple[str | None, str]:
        found = read_setting(accounts=accounts, **flags).routes[-1]  # type: ignore[arg-type]
        return found.proxy, found.family

    monkeypatch.setenv("ALL_PROXY", "socks5://all:s3cret@h:1")
    assert route() == ("socks5://all:s3cret@h:1", "auto")
    assert "s3cret" not in repr(read_setting())
    config.write_text("proxy = 'socks5://config:1'\nip = 4\n[accounts.second]\nproxy = 'socks5://second:1'\nip = '6'\n")
    assert route() == ("socks5://config:1", "4")
    assert route("main", "second") == ("socks5://second:1", "6")
    monkeypatch.setenv("TGBULK_PROXY", "none")
    assert route("second") == ("none", "6")
    assert route("second", proxy="http://flag:1", family="auto") == ("http://flag:1", "auto")
    monkeypatch.setenv("TGBULK_IP", "5")
    with pytest.raises(UsageError, match="TGBULK_IP is '5'"):
        read_setting()
    monkeypatch.delenv("TGBULK_IP")
    config.write_text("[accounts.second]\napi_id = 1\n")
    with pytest.raises(UsageError, match="there is no setting 'api_id'; it can hold proxy, ip"):
        read_setting()
    # what cannot be read stops only who wants to reach something
    config.write_text("proxy = 'gopher://someone@h'\napi_id = 1\napi_hash = 'x'\n")
    monkeypatch.delenv("TGBULK_PROXY")
    setting = read_setting()
    with pytest.raises(UsageError, match="does not begin with"):
        _ = setting.access
