"""The options about videos, and what they come to."""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import click

from tgbulk.cli.setting import Setting
from tgbulk.engine.error import UsageError
from tgbulk.stages.transcode.config import MODES, TranscodeConfig

Command = TypeVar("Command", bound=Callable[..., Any])


def with_device(command: Command) -> Command:
    """Give a command, below its `with_setting`, the options about the GPU, and their outcome as its `transcode`."""

    @click.option("--force-cpu-transcode/--no-force-cpu-transcode", "force", default=None,
                  help="Transcode on the CPU only (off).")
    @click.option("--vaapi-device", metavar="PATH", help="Use only this render node (the first that works).")
    @functools.wraps(command)
    def wrapped(*, setting: Setting, force: bool | None, vaapi_device: str | None, **options: Any) -> Any:
        config = transcode_config(setting, force, vaapi_device)
        return command(setting=setting, transcode=config, **options)

    return wrapped  # type: ignore[return-value]


def with_transcode(command: Command) -> Command:
    """The same with the options about what becomes of videos."""

    @click.option("--transcode", "mode", type=click.Choice(MODES), default="off", help="Which videos to transcode (off).")
    @click.option("--transcode-height", "height", type=click.IntRange(96, 4320), default=1080,
                  help="Shorter side in pixels, at most (1080).")
    @click.option("--transcode-quality", "quality", type=click.IntRange(1, 50), default=23,
                  help="CRF of the encoder; lower is better (23).")
    @click.option("--keep-original/--replace", "keep", default=True, help="Keep the originals of transcoded videos (kept).")
    @click.option("--hardware-decode", "decode", is_flag=True, help="Decode on the GPU as well: faster, less reliable.")
    @with_device
    @functools.wraps(command)
    def wrapped(
        *, transcode: TranscodeConfig, mode: str, height: int, quality: int, keep: bool, decode: bool, **options: Any
    ) -> Any:
        config = replace(
            transcode, mode=mode, height=height, quality=quality, keep_original=keep, hardware_decode=decode
        )
        return command(transcode=config, **options)

    return wrapped  # type: ignore[return-value]


def transcode_config(setting: Setting, force: bool | None = None, device: str | None = None) -> TranscodeConfig:
    """The settings, with these flags above them; UsageError for a device that ffmpeg could not be given."""
    path = Path(device).expanduser() if device else setting.vaapi_device
    if path is not None and "," in str(path):
        raise UsageError(f"the render node {path} has a comma in its name, which ffmpeg takes for an option")
    return TranscodeConfig(force_cpu=setting.force_cpu if force is None else force, device=path)
