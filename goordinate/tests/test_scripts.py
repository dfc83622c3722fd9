"""The commands in scripts/: where they look for the checkout, and what `scripts/test` leaves out.

They run in a checkout that has them alone, with an environment whose Python notes what it is
called with: nothing is installed.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = sorted(
    path.name
    for path in (ROOT / "scripts").iterdir()
    if path.is_file() and path.stat().st_mode & stat.S_IXUSR
)
AT_HAND = f"3.{sys.version_info.minor}"

# The Python of the environment: `-m` is noted, with the folder; anything else is really run.
NOTING = f"""\
#!/bin/sh
if [ "$1" = -m ] || [ "${{1%.py}}" != "$1" ] && [ "${{1##*/}}" != run.py ]; then
    printf '%s\\n' "$0 $*" >>"$NOTES"
else
    exec {sys.executable} "$@"
fi
"""


def write_command(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


class Checkout:
    """A checkout with the scripts alone; its folder has a blank in its name."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self._notes = folder / "notes"
        self._pythons = folder / "pythons"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (self.root / "vendor_tests").mkdir()
        shutil.copy(ROOT / "vendor_tests" / "run.py", self.root / "vendor_tests")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        self.python = self.root / ".venv" / "bin" / "python"
        write_command(self.python, NOTING)
        self.has("3.10", "3.11", "3.12", "3.13", there=False)

    def has(self, *versions: str, there: bool = True) -> None:
        """Let a Python of each version be there, or not."""
        for version in versions:
            write_command(self._pythons / f"python{version}", f"#!/bin/sh\nexit {int(not there)}\n")

    def run(self, script: Path, *arguments: str, python27: str = "/nowhere") -> str:
        """What the script prints; it has to succeed."""
        environment = {
            **os.environ,
            "NOTES": str(self._notes),
            "PATH": f"{self._pythons}:{os.environ['PATH']}",
            "PYENV_ROOT": "/nowhere",
            "GOORDINATE_PYTHON27": python27,
            "GOORDINATE_ORIGINAL_PYTHON": "",
        }
        done = subprocess.run(
            [script, *arguments], cwd="/", env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def calls(self) -> list[str]:
        """What the environment's Python was called with, but for installing."""
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        return [line for line in lines if " -m pip " not in line]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("find-python", "run")])
def test_a_command_finds_its_checkout_through_symbolic_links(
    checkout: Checkout, tmp_path: Path, name: str
) -> None:
    (tmp_path / "bin").mkdir()
    first, second = tmp_path / "bin" / "first", tmp_path / "second"
    first.symlink_to(f"../a checkout/scripts/{name}")
    second.symlink_to(first)
    checkout.run(checkout.root / "scripts" / name, "--some", "argument")
    direct = checkout.calls()
    checkout.run(second, "--some", "argument")
    through = checkout.calls()[len(direct) :]
    assert through == direct
    if name != "setup-venv":
        (call,) = direct
        assert call.startswith((f"{checkout.python} ", ".venv/bin/python "))
        assert call.endswith(" --some argument")


def test_without_arguments_the_tests_are_those_that_tox_has_as_usual(checkout: Checkout) -> None:
    shown = checkout.run(checkout.root / "scripts" / "test")
    (call,) = checkout.calls()
    assert call == ".venv/bin/python -m tox run --skip-env ^upstream$"
    assert shown.splitlines()[1].startswith("left out: the tests that run in Python 2.7 (")


def environments(call: str) -> set[str]:
    """The tox environments that a call asks for."""
    words = call.split()
    return set(words[words.index("-e") + 1].split(","))


def test_all_of_the_tests_but_those_that_there_is_no_python_for(checkout: Checkout) -> None:
    shown = checkout.run(checkout.root / "scripts" / "test", "--all")
    (call,) = checkout.calls()
    assert environments(call) == {"check", "reliability", "upstream"}
    left_out = [line for line in shown.splitlines() if line.startswith("left out: ")]
    assert len(left_out) == 4
    for version in {"3.10", "3.11", "3.12", "3.13"} - {AT_HAND}:
        assert f"left out: the tests in Python {version}, as there is none" in left_out


def test_all_of_the_tests(checkout: Checkout, tmp_path: Path) -> None:
    checkout.has("3.10", "3.11", "3.12", "3.13")
    python27 = tmp_path / "python27"
    write_command(python27, "#!/bin/sh\necho $0\n")
    shown = checkout.run(checkout.root / "scripts" / "test", "--all", python27=str(python27))
    (call,) = checkout.calls()
    assert "--skip-env" not in call
    others = {f"py3{minor}" for minor in range(10, 14)} - {f"py{AT_HAND.replace('.', '')}"}
    assert environments(call) == {"check", "reliability", "upstream", *others}
    assert "left out" not in shown
