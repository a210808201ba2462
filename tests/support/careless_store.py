"""A small S3 server over HTTP that keeps no conditions: If-None-Match is ignored, as some do (docs/spec/fleet.md 3).

A real one of that kind is in no package registry that tests can count on; what it gets right is what ObjectStore asks for.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

_WHEN = "2026-01-01T00:00:00.000Z"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def do_PUT(self) -> None:
        self.objects[self._key] = self._body()
        self._answer(200, b"", ETag='"1"')

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        if "list-type" in query:
            self._answer(200, self._list(query))
        elif self._key in self.objects:
            self._answer(200, self.objects[self._key], ETag='"1"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        else:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self._body()
        if "delete" not in parse_qs(urlsplit(self.path).query, keep_blank_values=True):
            self._answer(501, b"<Error><Code>NotImplemented</Code></Error>")
            return
        keys = [str(one.text) for one in ElementTree.fromstring(body).iter() if one.tag.endswith("Key")]
        for key in keys:
            self.objects.pop(f"{self._key}/{key}", None)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        self._answer(200, f"<DeleteResult>{deleted}</DeleteResult>".encode())

    def do_DELETE(self) -> None:
        self.objects.pop(self._key, None)
        self._answer(204, b"")

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _list(self, query: dict[str, list[str]]) -> bytes:
        bucket, prefix = self._key, query.get("prefix", [""])[0]
        delimiter, after = query.get("delimiter", [""])[0], query.get("start-after", [""])[0]
        keys, folders = [], set()
        for key in sorted(self.objects):
            name = key.removeprefix(f"{bucket}/")
            if name.startswith(prefix) and name > after:
                rest = name[len(prefix) :]
                if delimiter and delimiter in rest:
                    folders.add(prefix + rest.split(delimiter)[0] + delimiter)
                else:
                    keys.append(f"<Contents><Key>{name}</Key><LastModified>{_WHEN}</LastModified>"
                                f"<ETag>1</ETag><Size>{len(self.objects[key])}</Size></Contents>")
        keys += [f"<CommonPrefixes><Prefix>{one}</Prefix></CommonPrefixes>" for one in sorted(folders)]
        listed = "".join(keys)
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>".encode()

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def careless_store() -> Iterator[str]:
    """The endpoint; any bucket is there."""
    handler = type("Handler", (_Handler,), {"objects": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
