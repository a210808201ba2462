"""Options for programs that start tgbulk and may be killed or stopped: a lease, and death with the parent."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from tgbulk.engine.error import StorageError, UsageError
from tgbulk.engine.lease import Lease
from tgbulk.engine.parent import die_with_parent

Command = TypeVar("Command", bound=Callable[..., Any])


def with_parent(command: Command) -> Command:
    """Give a click command --die-with-parent."""

    @click.option("--die-with-parent", "dying", is_flag=True, help="End when the process that started this one has ended.")
    @click.option("--parent-pid", "parent", type=click.IntRange(min=1), hidden=True)
    @functools.wraps(command)
    def wrapped(*, dying: bool, parent: int | None, **options: Any) -> Any:
        if dying:
            try:
                die_with_parent(parent)
            except OSError as error:
                raise StorageError("--die-with-parent", error.strerror or str(error)) from error
        return command(**options)

    return wrapped  # type: ignore[return-value]


def with_lease(command: Command) -> Command:
    """The same with --lease-fd and --lease, whose outcome is the command's `lease`."""

    @click.option("--lease-fd", "descriptor", type=click.IntRange(min=3), metavar="N",
                  help="Descriptor on which a byte has to come now and then; without one no request leaves: exit code 75.")
    @click.option("--lease", "seconds", type=click.FloatRange(min=0.5), default=60.0, metavar="SECONDS",
                  help="How long the last byte of --lease-fd counts (60).")
    @functools.wraps(command)
    def wrapped(*, descriptor: int | None, seconds: float, **options: Any) -> Any:
        try:
            lease = None if descriptor is None else Lease(descriptor, seconds)
        except OSError as error:
            raise UsageError(f"--lease-fd {descriptor}: {error.strerror}") from error
        return command(lease=lease, **options)

    return with_parent(wrapped)  # type: ignore[return-value]
