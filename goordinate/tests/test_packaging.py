"""What a user gets: the wheel's contents, and the commands that the README begins with.

These read the checkout: they are not for an installed package, which has no tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IN_WHEEL_BUILD = ("pyproject.toml", "setup.py", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built from a copy of the sources, as building leaves files in them."""
    copy = tmp_path_factory.mktemp("source")
    for name in IN_WHEEL_BUILD:
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "goordinate", copy / "goordinate")
    build = "from setuptools import build_meta; print(build_meta.build_wheel('.'))"
    built = subprocess.run(
        [sys.executable, "-c", build], cwd=copy, capture_output=True, text=True, check=True
    )
    return zipfile.ZipFile(copy / built.stdout.splitlines()[-1])


def test_the_wheel_has_every_module_and_no_test(wheel: zipfile.ZipFile) -> None:
    sources = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "goordinate").rglob("*.py")
        if ROOT / "goordinate" / "tests" not in path.parents
    }
    packaged = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packaged == sources | {"goordinate/py.typed"}


def test_the_wheel_has_the_command_and_the_licence(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert "goordinated = goordinate.__main__:main" in wheel.read(entry_points).decode()
    (licence,) = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_readme_begins_with_two_commands_of_one_line() -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "README.md").read_text(), re.DOTALL | re.M)
    assert blocks[:2] == ["scripts/serve\n", "scripts/test\n"]
    for block in blocks[:2]:
        assert os.access(ROOT / block.strip(), os.X_OK)
    assert "\nscripts/test --all " in (ROOT / ".ci" / "run").read_text()
