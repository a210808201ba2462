"""The endpoint of --metrics-port, read by the real promtool and scraped by a real Prometheus where they are installed."""
from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.command import TIMEOUT, Tgbulk, at_home
from tgbulk.perf.simdc.launcher import SimDC

ROOT = Path(__file__).parents[2]
needs_prometheus = pytest.mark.skipif(
    shutil.which("promtool") is None or shutil.which("prometheus") is None,
    reason="Prometheus is not installed (Debian: apt-get install prometheus)",
)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a run that goes on for as long as the tests need it."""
    with SimDC("--bulk", "slow=40000", "--latency", "500") as dc:
        home = at_home(dc, tmp_path_factory.mktemp("home"))
        assert home.login().returncode == 0
        options = ["--max-in-flight", "1", "--metrics-port", "0"]
        run = home.start("export", "@sim_slow", "-o", str(tmp_path_factory.mktemp("archive")), *options)
        try:
            yield listen(run)
            assert run.poll() is None  # else the last tests have looked at nothing
        finally:
            run.terminate()
            run.communicate(timeout=TIMEOUT)


def listen(run: subprocess.Popen[str]) -> str:
    """What the run says of its endpoint, once there is something to see there."""
    assert run.stderr is not None
    for line in run.stderr:
        found = re.search(r"http://(127\.0\.0\.1:\d+)/metrics", line)
        if found:
            until = time.monotonic() + TIMEOUT
            while 'tgbulk_stage_duration_seconds_count{stage="write"}' not in scrape(found[1]):
                assert time.monotonic() < until
                time.sleep(0.2)
            return found[1]
    raise AssertionError("it said nothing of its endpoint")


def scrape(endpoint: str, accept: str = "text/plain") -> str:
    request = urllib.request.Request(f"http://{endpoint}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(answer.read().decode())


def test_names_and_types(endpoint: str) -> None:
    text = scrape(endpoint, "application/openmetrics-text; version=1.0.0")
    assert text.endswith("# EOF\n")
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(families) == len(set(families)) > 20
    assert all(name.startswith("tgbulk_") for name, _ in families)
    described = re.findall(r"^# HELP (\S+) \S", text, re.MULTILINE)
    assert described == [name for name, _ in families]


def test_it_is_bounded(endpoint: str) -> None:
    samples = [line for line in scrape(endpoint).splitlines() if not line.startswith("#")]
    assert len(samples) < 300
    labels = {name for line in samples for name in re.findall(r'[{,](\w+)="', line)}
    assert labels <= {"stage", "direction", "method", "account", "cache", "event", "process", "le", "run"}


def test_nobody_else_reaches_it(endpoint: str) -> None:
    """Loopback only."""
    port = int(endpoint.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), 5)


def test_a_taken_port_is_told_before_the_run(endpoint: str, tmp_path: Path, tgbulk: Tgbulk) -> None:
    assert tgbulk.login().returncode == 0
    done = tgbulk("export", "me", "-o", str(tmp_path / "archive"), "--metrics-port", endpoint.rpartition(":")[2])
    assert done.returncode == 2
    assert "cannot be had: " in done.stderr
    assert not (tmp_path / "archive").exists()


@needs_prometheus
def test_promtool_finds_nothing(endpoint: str) -> None:
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=scrape(endpoint), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_prometheus
def test_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(ROOT / "docs/alerts.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def prometheus(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of a Prometheus that has scraped the endpoint, with our alerts."""
    folder = tmp_path_factory.mktemp("prometheus")
    config = folder / "prometheus.yml"
    config.write_text(
        f"global: {{scrape_interval: 1s}}\nrule_files: [{ROOT}/docs/alerts.yml]\n"
        f"scrape_configs: [{{job_name: tgbulk, static_configs: [{{targets: ['{endpoint}']}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    words = [f"--config.file={config}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["prometheus", *words], stdout=log, stderr=log)
    try:
        until = time.monotonic() + TIMEOUT
        while not ready(address):
            assert server.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < until
            time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait()


def ready(address: str) -> bool:
    try:
        return bool(query(address, "tgbulk_messages_total"))
    except OSError:
        return False


def query(address: str, expression: str) -> list[dict[str, Any]]:
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        found = json.load(answer)
    assert found["status"] == "success"
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


@needs_prometheus
def test_prometheus_scrapes_it(prometheus: str) -> None:
    assert query(prometheus, "up")[0]["value"][1] == "1"
    assert float(query(prometheus, "tgbulk_messages_total")[0]["value"][1]) > 0
    assert query(prometheus, "histogram_quantile(0.9, tgbulk_request_duration_seconds_bucket)")


@needs_prometheus
def test_prometheus_loads_the_alerts(prometheus: str) -> None:
    with urllib.request.urlopen(f"http://{prometheus}/api/v1/rules", timeout=10) as answer:
        (group,) = json.load(answer)["data"]["groups"]
    assert len(group["rules"]) == 6


@needs_prometheus
def test_every_panel_of_the_dashboard_asks_for_what_there_is(prometheus: str) -> None:
    """Prometheus knows each metric of docs/grafana.json, and can answer each question."""
    dashboard = json.loads((ROOT / "docs/grafana.json").read_text())
    questions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(questions) > 8
    known = {name["metric"]["__name__"] for name in query(prometheus, '{__name__=~"tgbulk_.+"}')}
    for question in questions:
        query(prometheus, question.replace("$__rate_interval", "1m"))
        assert set(re.findall(r"tgbulk_\w+", question)) <= known
