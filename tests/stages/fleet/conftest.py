from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.careless_store import careless_store
from support.s3 import CREDENTIALS, s3_server


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("moto", reason="moto, the S3 server of the tests, is not installed")
    with s3_server(tmp_path_factory.mktemp("s3")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def careless_endpoint() -> Iterator[str]:
    with careless_store() as endpoint:
        yield endpoint


@pytest.fixture(params=["file", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store of its own for each test, in a folder and on a server."""
    if request.param == "file":
        return f"file://{tmp_path}/store"
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": request.getfixturevalue("s3_endpoint")}).items():
        monkeypatch.setenv(name, value)
    return f"s3://archives/{tmp_path.name}-{os.getpid()}"
