"""What is built of a checkout, installed into fresh environments: one package, which nobody's folders can take the place of.

The environments see the dependencies of the one that runs the tests, so that nothing is downloaded.
"""
from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from configparser import ConfigParser
from email.parser import BytesParser
from pathlib import Path
from shutil import copy, copytree, ignore_patterns

import pytest

from tgbulk.engine.version import VERSION

ROOT = Path(__file__).parents[1]
#: What a build reads.
SOURCES = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "engine", "stages", "scripts", "perf", "docs")
#: Names of a checkout's folders; who imports one of these files gets an error.
TRAPS = ("engine.py", "scripts/cli.py", "scripts/__init__.py", "stages/__init__.py", "perf/__init__.py", "docs/__init__.py")
TRAP = "raise AssertionError(__file__)\n"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
#: The environment that runs the tests may have the same version from a wheel: it counts for nothing, and is left alone.
PIP = (
    "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation",
    "--ignore-installed",
)
BUILD = "import sys; from setuptools import build_meta as build; build.build_{}(sys.argv[1])"


def test_the_version_is_the_one_that_is_built() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == VERSION


class Environment:
    """A virtual environment without anything of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.command = folder / "bin" / "tgbulk"
        self.packages = folder / "lib" / PYTHON / "site-packages"
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.packages / "dependencies.pth").write_text("\n".join(paths))

    def run(self, *words: str | Path, cwd: Path, **environment: str) -> str:
        """Standard output of a command that must succeed, run in this folder with no settings of the tests' own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TGBULK"))}
        done = subprocess.run(
            words, cwd=cwd, env=kept | {"HOME": str(self.folder)} | environment, capture_output=True, text=True, check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def install(self, *words: str | Path) -> None:
        self.run(sys.executable, "-m", "pip", "--python", self.python, *PIP, *words, cwd=self.folder)

    def modules(self) -> set[str]:
        """Top-level modules that a program of this environment can import."""
        code = "import pkgutil; print(*(found.name for found in pkgutil.iter_modules()))"
        return set(self.run(self.python, "-I", "-c", code, cwd=self.folder).split())

    def own(self) -> set[str]:
        return {path.name for path in self.packages.iterdir()}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout, for a build leaves files behind."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            copytree(ROOT / name, folder / name, symlinks=True, ignore=ignore_patterns("__pycache__", "*.egg-info"))
        else:
            copy(ROOT / name, folder / name)
    return folder


def built(kind: str, checkout: Path, output: Path) -> Path:
    """The wheel or the sdist of these sources, made by the setuptools of this environment."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD.format(kind), output], cwd=checkout, capture_output=True, text=True, check=False,
    )
    assert done.returncode == 0, done.stderr
    (found,) = output.iterdir()
    return found


@pytest.fixture(scope="module")
def wheel(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("sdist", checkout, tmp_path_factory.mktemp("sdist"))


def trap(folder: Path) -> None:
    """Fill a folder with modules that nobody may import."""
    for name in TRAPS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(TRAP)


@pytest.mark.parametrize("form", ["wheel", "sdist", "editable"])
def test_an_install_adds_one_package_that_no_other_one_can_spoil(
    form: str, checkout: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    environment = Environment(tmp_path / "environment")
    modules, own = environment.modules(), environment.own()
    words = ("--editable", checkout) if form == "editable" else (request.getfixturevalue(form),)
    environment.install(*words)
    assert environment.modules() - modules <= {"tgbulk"}
    (added,) = {name for name in environment.own() - own if not name.endswith(".dist-info")}
    assert added.startswith("__editable__") if form == "editable" else added == "tgbulk"
    where = environment.run(environment.python, "-c", "import tgbulk; print(tgbulk.__path__[0])", cwd=tmp_path).strip()
    assert Path(where) == (checkout / "scripts" if form == "editable" else environment.packages) / "tgbulk"

    # a package of another project, then a folder of one, with the names of our folders
    other = tmp_path / "other"
    trap(other)
    (other / "setup.cfg").write_text(
        "[metadata]\nname = other\nversion = 1\n[options]\npackages = scripts, stages, perf, docs\npy_modules = engine\n"
    )
    (other / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "setuptools.build_meta"\n')
    environment.install(other)
    assert {"engine", "scripts", "stages", "perf", "docs"} <= environment.modules()
    project = tmp_path / "project"
    trap(project)
    version = environment.run(environment.command, "--version", cwd=project, PYTHONPATH=".")
    assert version.startswith("tgbulk, version ")
    assert environment.run(environment.python, "-m", "tgbulk", "--version", cwd=project, PYTHONPATH=".") == version
    if form != "sdist":  # it is installed by way of the same wheel: see below
        # the demo starts every process that there is: the server, the supervisor, the fork server and all its children
        environment.run(environment.command, "demo", "-o", tmp_path / "archive", cwd=project, PYTHONPATH=".")
        assert (tmp_path / "archive" / "archive.json").exists()


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


def test_a_wheel_holds_all_sources_and_docs(wheel: Path, checkout: Path) -> None:
    found = contents(wheel)
    for folder in ("engine", "stages", "perf", "docs", "scripts/tgbulk/cli"):
        for path in (checkout / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(checkout).as_posix().removeprefix("scripts/tgbulk/")
                assert found[f"tgbulk/{name}"] == path.read_bytes()
    assert found["tgbulk/py.typed"] == b""
    assert {name.split("/")[0] for name in found if ".dist-info/" not in name} == {"tgbulk"}


def test_an_sdist_builds_the_same_wheel(wheel: Path, sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    (tmp_path / "again").mkdir()
    again = built("wheel", unpacked, tmp_path / "again")
    assert again.name == wheel.name
    assert contents(again) == contents(wheel)


def test_metadata_names_nobody_s_host(wheel: Path) -> None:
    (name,) = (name for name in contents(wheel) if name.endswith(".dist-info/METADATA"))
    found = BytesParser().parsebytes(contents(wheel)[name])
    assert (found["Name"], found["Author"], found["Requires-Python"]) == ("tgbulk", "tgbulk developers", ">=3.11")
    assert found["Home-page"] is None
    assert found.get_all("Project-URL", []) == []
    assert "Typing :: Typed" in found.get_all("Classifier", [])
    assert (found["License-Expression"] or found["License"]) == "MIT"
