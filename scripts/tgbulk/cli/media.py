"""The options that choose media, and how they are downloaded."""
from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from tgbulk.stages.fetch.config import MediaConfig
from tgbulk.stages.telegram.medium import CATEGORIES, PROFILE, THUMBNAIL, MediaSelection

Command = TypeVar("Command", bound=Callable[..., Any])
#: Connections to one data centre, at most; there are more than two only while that brings more.
CONNECTIONS = 4
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def with_media(command: Command) -> Command:
    """Give a click command the options for media; its `media` makes a MediaConfig or None of an archive and a rate."""

    @click.option(
        "--media",
        "categories",
        callback=parse_categories,
        default="none",
        metavar="KINDS",
        help=f"Download media: none, all, or some of {','.join(CATEGORIES)}.",
    )
    @click.option("--max-size", callback=parse_size, metavar="SIZE", help="Skip larger files: bytes, or like 500K, 20M, 2G.")
    @click.option("--thumbnails/--no-thumbnails", default=False, help="Also download thumbnails of videos and documents.")
    @click.option("--profile-photos/--no-profile-photos", "profiles", default=False,
                  help="Also download photos of users and chats.")
    @click.option("--media-deadline", "deadline", type=click.FloatRange(1), metavar="SECONDS",
                  help="Time limit for one file (none).")
    @click.option(
        "--media-connections",
        "connections",
        type=click.IntRange(1, 8),
        default=CONNECTIONS,
        help=f"Connections to one data centre, at most ({CONNECTIONS}).",
    )
    @functools.wraps(command)
    def wrapped(
        *,
        categories: frozenset[str],
        max_size: int | None,
        thumbnails: bool,
        profiles: bool,
        deadline: float | None,
        connections: int,
        **options: Any,
    ) -> Any:
        wanted = categories | ({THUMBNAIL} if thumbnails else set()) | ({PROFILE} if profiles else set())
        if not wanted and max_size is not None:
            raise click.UsageError("--max-size needs --media")

        def config(archive: Path, rate: float | None) -> MediaConfig | None:
            selection = MediaSelection(wanted, max_size)
            return MediaConfig(archive, selection, connections, deadline, rate) if wanted else None

        return command(media=config, **options)

    return wrapped  # type: ignore[return-value]


def parse_categories(context: click.Context, parameter: click.Parameter, value: str) -> frozenset[str]:
    words = {word.strip() for word in value.split(",")} - {""}
    if words == {"none"}:
        return frozenset()
    if words == {"all"}:
        return frozenset(CATEGORIES)
    for word in sorted(words - set(CATEGORIES)):
        raise click.BadParameter(f"{word!r} is not among none, all, {', '.join(CATEGORIES)}")
    if not words:
        raise click.BadParameter("it is empty")
    return frozenset(words)


def parse_size(context: click.Context, parameter: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?", value.strip().upper().replace("IB", "B"), re.ASCII)
    if match is None:
        raise click.BadParameter(f"{value!r} is no size; give bytes, or a number with K, M or G")
    return int(float(match[1]) * _UNITS[match[2]])
