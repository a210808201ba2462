from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tgbulk.cli.setting import VARIABLES, Setting, with_setting
from tgbulk.cli.transcode import with_transcode
from tgbulk.stages.transcode.config import TranscodeConfig


@click.command()
@with_setting
@with_transcode
def videos(setting: Setting, transcode: TranscodeConfig) -> None:
    """A command that only says what its options come to."""
    click.echo(repr(transcode))


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "config"),
    [
        ([], TranscodeConfig(mode="off")),
        (["--transcode", "off"], TranscodeConfig(mode="off")),
        (
            ["--transcode", "always", "--transcode-height", "720", "--transcode-quality", "28", "--replace"],
            TranscodeConfig(mode="always", height=720, quality=28, keep_original=False),
        ),
        (["--keep-original", "--hardware-decode"], TranscodeConfig(mode="off", hardware_decode=True)),
        (["--transcode", "auto", "--force-cpu-transcode"], TranscodeConfig(force_cpu=True)),
        (["--vaapi-device", "/dev/dri/renderD129"], TranscodeConfig(mode="off", device=Path("/dev/dri/renderD129"))),
    ],
)
def test_options(options: list[str], config: TranscodeConfig) -> None:
    result = CliRunner().invoke(videos, options)
    assert (result.exit_code, result.output) == (0, f"{config!r}\n")


def test_a_flag_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_CPU_TRANSCODE", "1")
    result = CliRunner().invoke(videos, ["--no-force-cpu-transcode"])
    assert result.output == f"{TranscodeConfig(mode='off')!r}\n"


@pytest.mark.parametrize("options", [["--transcode", "some"], ["--transcode-height", "1"], ["--transcode-quality", "99"]])
def test_mistakes(options: list[str]) -> None:
    assert CliRunner().invoke(videos, options).exit_code == 2
