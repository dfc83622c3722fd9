"""Run the upstream package's own tests, in Python 2.7, against this project's daemon.

This is the Python 3 half: it finds a Python 2.7, makes an environment with the upstream package
(requirements.txt), runs pytest there, and fails unless exactly the tests that upstream has were
run and passed. The daemon under test is the goordinate installed in the Python that runs this
file. What happens inside Python 2.7 is in goordinate_plugin.py.

    python vendor_tests/run.py [--environment DIRECTORY] [PYTEST OPTION ...]
    python vendor_tests/run.py --find      print the Python 2.7 it would take, or say why none
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
MODULES = ("test_job_client", "test_job_flow", "test_task_master")
UPSTREAM_TESTS = 51
# The client under test waits for an answer without a limit, so a daemon that hangs would hang
# the run. A good run takes about one minute.
LIMIT_SECONDS = 600


def python27_candidates() -> Iterator[str]:
    """Yield the places where a Python 2.7 may be, best first; what is there may not work."""
    if chosen := os.environ.get("GOORDINATE_PYTHON27"):
        yield chosen
        return
    if on_path := shutil.which("python2.7"):
        yield on_path
    # pyenv's own python2.7 on the path answers only when 2.7 is among the selected versions.
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(map(str, pyenv.glob("versions/2.7*/bin/python2.7")), reverse=True)


def find_python27() -> str | None:
    """Return the path of a Python 2.7 that runs, or None."""
    probe = "import sys; sys.stdout.write(sys.executable * (sys.version_info[:2] == (2, 7)))"
    for candidate in python27_candidates():
        try:
            found = subprocess.run(
                [candidate, "-c", probe], capture_output=True, text=True, timeout=60
            )
        except OSError:
            continue
        if found.returncode == 0 and found.stdout:
            return found.stdout
    return None


def make_environment(directory: Path, python27: str) -> str:
    """Make the Python 2.7 environment in ``directory``, if it is not as wanted; return its Python.

    Raises subprocess.CalledProcessError when virtualenv or pip fails.
    """
    python = str(directory / "bin" / "python")
    stamp = directory / "made-from.txt"
    wanted = f"{python27}\n{REQUIREMENTS.read_text()}"
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    subprocess.run(
        [sys.executable, "-m", "virtualenv", "--clear", "--python", python27, str(directory)],
        check=True,
    )
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(REQUIREMENTS)],
        env={**os.environ, "PIP_NO_PYTHON_VERSION_WARNING": "1"},
        check=True,
    )
    stamp.write_text(wanted)
    return python


def run_pytest(python: str, options: Sequence[str], report: Path) -> int:
    """Run pytest in Python 2.7, its JUnit report to ``report``; return its exit status.

    Past LIMIT_SECONDS it is killed with all that it started, and the status is that of SIGKILL.
    """
    modules = [f"coordinate.tests.{module}" for module in MODULES]
    command = [python, "-m", "pytest", "-c", str(HERE / "pytest.ini"), f"--junitxml={report}"]
    process = subprocess.Popen(
        [*command, *options, "--pyargs", *modules, str(HERE)],
        cwd=report.parent,
        env={**os.environ, "PYTHONPATH": str(HERE), "GOORDINATE_PYTHON": sys.executable},
        start_new_session=True,
    )
    try:
        return process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        print(f"upstream: not done after {LIMIT_SECONDS} s, killed", file=sys.stderr)
        return -signal.SIGKILL
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def count(report: Path) -> tuple[int, int, int]:
    """Count the tests in a JUnit report: upstream's that passed, ours that passed, all others.

    One of upstream's counts as passed only if it says that it spoke to the daemon (the ``daemon``
    property, which our ``task_master`` fixture sets): with its own fixture it proves nothing.
    """
    upstream = ours = others = 0
    for case in ElementTree.parse(report).iter("testcase"):
        if any(case.find(outcome) is not None for outcome in ("failure", "error", "skipped")):
            others += 1
        elif Path(case.get("file", "")).parts[-3:-1] != ("coordinate", "tests"):
            ours += 1
        elif case.find("properties/property[@name='daemon']") is not None:
            upstream += 1
        else:
            others += 1
    return upstream, ours, others


def main() -> int:
    """Run it all; return the exit status: 0 only if all upstream tests ran and passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--find", action="store_true", help="only print which Python 2.7 is used")
    parser.add_argument("--environment", type=Path, default=HERE / ".python27", metavar="DIRECTORY")
    arguments, options = parser.parse_known_args()

    python27 = find_python27()
    if python27 is None:
        looked = ", ".join(python27_candidates()) or "no candidate"
        print(
            "upstream: no Python 2.7 that runs was found (GOORDINATE_PYTHON27, python2.7 on the"
            f" path, pyenv's versions; tried: {looked})",
            file=sys.stderr,
        )
        return 1
    if arguments.find:
        print(python27)
        return 0

    python = make_environment(arguments.environment.resolve(), python27)
    with tempfile.TemporaryDirectory(prefix="goordinate-upstream-") as scratch:
        report = Path(scratch) / "report.xml"
        status = run_pytest(python, options, report)
        upstream, ours, others = count(report) if report.exists() else (0, 0, 0)
    print(
        f"upstream: {upstream} of {UPSTREAM_TESTS} of the original's own tests passed,"
        f" and {ours} of the command line, worker and restart"
    )
    return 0 if status == 0 and upstream == UPSTREAM_TESTS and others == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
