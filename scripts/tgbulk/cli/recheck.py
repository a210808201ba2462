"""--recheck: a number of days, all, or none."""
from __future__ import annotations

from typing import Any

import click

from tgbulk.stages.fetch.config import Recheck


class RecheckType(click.ParamType[Recheck]):
    """The days of a Recheck that somebody asked for."""

    name = "recheck"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Recheck:
        if isinstance(value, Recheck):
            return value
        if value in ("all", "none"):
            return Recheck(None if value == "all" else 0.0, asked=True)
        try:
            days = float(value)
        except ValueError:
            days = -1.0
        if not 0 <= days <= 1e5:
            self.fail(f"{value!r} is neither a number of days, nor all or none", param, ctx)
        return Recheck(days, asked=True)
