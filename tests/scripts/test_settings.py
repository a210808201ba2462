from __future__ import annotations

from pathlib import Path

import pytest

from engine.error import ExitCode, UsageError
from scripts.setting import VARIABLES, MissingApiError, read_setting
from scripts.transcode import transcode_config
from stages.transcode.config import TranscodeConfig


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file, not there yet, with nothing else set and an empty working folder."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config" / "tgbulk" / "config.toml"
    path.parent.mkdir(parents=True)
    return path


def test_defaults(config: Path, tmp_path: Path) -> None:
    setting = read_setting()
    assert setting.account == "main"
    assert setting.server is None
    assert setting.home == tmp_path / "data" / "tgbulk"
    with pytest.raises(MissingApiError, match="TELEGRAM_API_ID is not set"):
        _ = setting.access


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
        f"tgbulk: warning: .env: line {number} is not NAME=value and is passed over" for number in (3, 5)
    ]


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


def test_films(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
