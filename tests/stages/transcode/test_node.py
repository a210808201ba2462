from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tgbulk.stages.transcode.detection import _explain, examine, list_nodes


def test_nodes_by_number(tmp_path: Path) -> None:
    for name in ("renderD129", "renderD1000", "renderD128", "card0", "renderDx"):
        (tmp_path / name).touch()
    assert [path.name for path in list_nodes(tmp_path)] == ["renderD128", "renderD129", "renderD1000"]
    assert list_nodes(tmp_path / "none") == []


def test_a_node_that_opens(tmp_path: Path) -> None:
    node = tmp_path / "renderD128"
    node.touch()
    node.chmod(0o660)
    device = tmp_path / "sys" / "renderD128" / "device"
    device.mkdir(parents=True)
    (device / "vendor").write_text("0x1002\n")
    found = examine(node, tmp_path / "sys")
    assert (found.vendor, found.problem, found.error_class) == ("amd", "", "")
    assert found.access.endswith(" 0660")


def test_a_node_that_is_not_there(tmp_path: Path) -> None:
    found = examine(tmp_path / "renderD128", tmp_path)
    assert (found.error_class, found.problem) == ("no_device", "there is no such device (ENOENT)")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_node_without_hardware(tmp_path: Path) -> None:
    node = tmp_path / "renderD200"
    try:
        os.mknod(node, 0o660 | stat.S_IFCHR, os.makedev(226, 200))
    except PermissionError:
        pytest.skip("this container forbids devices")
    found = examine(node, tmp_path)
    assert found.error_class in ("stale", "device_filter")  # the second in a container
    assert found.hint


def as_nobody(node: Path) -> str:
    """What a process of user nobody, in no group, finds."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            found = examine(node, Path("/"))
            os.write(writer, f"{found.error_class} {found.problem} {found.hint}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        said = file.read()
    os.waitpid(pid, 0)
    return said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize(
    ("mode", "group", "words"),
    [
        (0o660, 54321, ["group 54321 (54321) may, mode 0660", "--group-add 54321"]),
        (0o660, 44, ["group video (44) may", "usermod -aG video nobody"]),
        (0o600, 44, ["may not either, mode 0600", "chmod g+rw"]),
    ],
)
def test_a_node_that_is_forbidden(mode: int, group: int, words: list[str]) -> None:
    """A folder that nobody may enter cannot hold this one, so it is not tmp_path."""
    node = Path(f"/tmp/renderD{os.getpid()}")
    node.touch(mode)
    try:
        os.chown(node, 0, group)
        node.chmod(mode)
        said = as_nobody(node)
        assert said.startswith("permission "), said
        assert all(word in said for word in words), said
    finally:
        node.unlink()


@pytest.mark.parametrize(
    ("number", "error_class", "word"),
    [
        (1, "device_filter", "cgroup"),
        (6, "stale", "ENXIO"),
        (19, "stale", "ENODEV"),
        (13, "permission", "its folder"),
        (5, "EIO", "EIO"),
    ],
)
def test_other_refusals(number: int, error_class: str, word: str) -> None:
    found, problem, _ = _explain(Path("/dev/dri/renderD128"), OSError(number, os.strerror(number)), None)
    assert found == error_class
    assert word in problem
