"""Stores: what they keep, what they refuse, and how an unfit one is found."""
from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from support.s3 import CREDENTIALS
from tgbulk.engine.error import UsageError
from tgbulk.engine.folder import Place
from tgbulk.stages.fleet import store as store_module
from tgbulk.stages.fleet.check import UnfitStoreError, check_store, require_fit
from tgbulk.stages.fleet.store import (
    CHUNK,
    NoObjectError,
    ObjectStore,
    RefusedAccessError,
    StoreAwayError,
    StoreError,
    StoreUrlError,
)


def test_a_fit_store_passes_and_nothing_of_the_check_stays(url: str) -> None:
    store = ObjectStore(url, make=True)
    assert [wrong for _, wrong in check_store(store)] == ["", "", "", ""]
    require_fit(store)
    assert list(store.objects("check")) == []


def test_what_is_created_twice_stays_as_it_was(url: str) -> None:
    store = ObjectStore(url, make=True)
    assert store.create("public/-1/head/1.json", b"one")
    assert not store.create("public/-1/head/1.json", b"two")
    assert store.get("public/-1/head/1.json") == b"one"


def test_objects_come_and_go(url: str, tmp_path: Path) -> None:
    store = ObjectStore(url, make=True)
    store.put("public/-1/peers/a", b"abc")
    store.put("5/7/peers/a", b"")
    big = tmp_path / "big"
    big.write_bytes(b"0123456789abcdef" * (CHUNK // 16) + b"rest")
    store.put_file("5/media/big", Place.of(big))
    assert store.names() == ["5", "public"]
    assert store.names("5") == ["7", "media"]
    assert [(one.key, one.size) for one in store.objects("public")] == [("public/-1/peers/a", 3)]
    assert store.size("5/media/big") == CHUNK + 4
    assert b"".join(store.read("5/media/big")) == big.read_bytes()
    assert store.size("5/media/none") is None
    with pytest.raises(NoObjectError, match="has no 5/media/none"):
        store.get("5/media/none")
    store.delete(["5/media/big", "5/media/none", "5/7/peers/a"])
    assert store.names() == ["public"]


def test_a_store_that_overwrites_is_found_and_named(careless_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "RETRIES", 0)
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": careless_endpoint}).items():
        monkeypatch.setenv(name, value)
    store = ObjectStore("s3://any/prefix")
    found = [wrong for _, wrong in check_store(store) if wrong]
    assert found[0] == "If-None-Match: * is ignored: it overwrites an object that is there, and says nothing"
    assert "16 of 16 writers" in found[1]
    with pytest.raises(UnfitStoreError, match="If-None-Match"):
        require_fit(store)
    assert list(store.objects("check")) == []


@pytest.mark.parametrize(("url", "said"), [
    ("/srv/archives", "begins with none of"),
    ("https://example.org/x", "begins with none of"),
    ("file://srv/archives", "three slashes"),
    ("s3://key:secret@bucket/x", "no password"),
])
def test_what_is_no_url_of_a_store(url: str, said: str) -> None:
    with pytest.raises(StoreUrlError, match=said) as raised:
        ObjectStore(url)
    assert "secret" not in f"{raised.value} {raised.value.args}"
    assert isinstance(raised.value, UsageError)


def test_a_folder_that_is_missing_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        ObjectStore(f"file://{tmp_path}/new")
    ObjectStore(f"file://{tmp_path}/new", make=True)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_no_bucket_is_an_error_of_the_store_and_no_server_one_of_the_network(
    s3_endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "RETRIES", 1)
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": s3_endpoint}).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match=r"404 Not Found \(NoSuchBucket\)"):
        list(ObjectStore("s3://nowhere/x").objects("check"))
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        with pytest.raises(StoreAwayError):
            ObjectStore("s3://archives/x").get("any")


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        data = b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_whom_a_server_does_not_know_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Stranger)
    for name, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}).items():
        monkeypatch.setenv(name, value)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        store = ObjectStore("s3://archives/x")
        with pytest.raises(RefusedAccessError, match=r"refused the access: 403 Forbidden \(SignatureDoesNotMatch\)"):
            list(store.objects("public"))
        with pytest.raises(RefusedAccessError, match="refused the access"):
            store.get("public/one")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
