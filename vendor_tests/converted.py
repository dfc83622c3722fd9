"""Run the upstream package's own tests, converted to Python 3, on goordinate.compat.

The tests are those of the `coordinate` that is installed in the Python 2.7 environment of run.py.
They are converted each time, by the 2to3 of that Python, because newer Pythons have none. They run
in the Python that runs this file, where the package `coordinate` is goordinate.compat, and against
a daemon. It fails unless all of them are run, and exactly those fail that EXPECTED names.

    python vendor_tests/converted.py --python PYTHON2.7 [PYTEST OPTION ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from run import LIMIT_SECONDS, MODULES, UPSTREAM_TESTS

EXPECTED = {
    "test_task_master_binary_work_unit": "keys that are bytes come back as str",
}
"""The tests that cannot pass, and why."""

FOLDER = "import coordinate, os, sys; sys.stdout.write(os.path.dirname(coordinate.__file__))"
CONVERT = "import sys; from lib2to3.main import main; sys.exit(main('lib2to3.fixes'))"

PACKAGE = """
import importlib
import sys
from types import ModuleType
from goordinate.compat import *

for name in ("constants", "exceptions", "job_client", "workunit_run"):
    sys.modules["coordinate." + name] = importlib.import_module("goordinate.compat." + name)

# What only upstream's own fixtures use, which are replaced.
for name, attribute in (
    ("base_client", "cbor_return"), ("base_client", "make_cbor_tagmapper"),
    ("job_server", "JobQueue"), ("server", "CborRpcHandler"),
):
    module = sys.modules.setdefault("coordinate." + name, ModuleType("coordinate." + name))
    setattr(module, attribute, None)
"""

PLUGIN = f"""
import pytest
from goordinate.client import TaskMaster
from goordinate.testing import server

pytest.yield_fixture = pytest.fixture
EXPECTED = {EXPECTED!r}

@pytest.fixture(scope="session")
def address():
    with server() as address:
        yield address

@pytest.fixture
def task_master(address, record_property):
    record_property("daemon", address)
    with TaskMaster(address) as master:
        master.clear()
        for worker in master.workers():
            master.worker_unregister(worker)
        yield master

def pytest_configure(config):
    from coordinate.tests import test_job_client
    test_job_client.task_master = task_master

def pytest_collection_modifyitems(items):
    for item in items:
        if item.name in EXPECTED:
            item.add_marker(pytest.mark.xfail(reason=EXPECTED[item.name], strict=True))
"""


def convert(python27: str, folder: Path) -> None:
    """Make the package `coordinate` with the converted tests in `folder`.

    Raises subprocess.CalledProcessError.
    """
    upstream = Path(subprocess.check_output([python27, "-c", FOLDER], text=True))
    tests = folder / "coordinate" / "tests"
    tests.mkdir(parents=True)
    (folder / "coordinate" / "__init__.py").write_text(PACKAGE)
    (folder / "converted_plugin.py").write_text(PLUGIN)
    (tests / "__init__.py").touch()
    sources = [tests / f"{module}.py" for module in MODULES]
    for source in sources:
        source.write_bytes((upstream / "tests" / source.name).read_bytes())
    subprocess.run(
        [python27, "-c", CONVERT, "--write", "--nobackups", *map(str, sources)],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def outcomes(report: Path) -> tuple[int, int, int]:
    """Tests in a JUnit report that passed, that failed as expected, and all others.

    Only one that spoke to the daemon counts as passed.
    """
    passed = expected = others = 0
    for case in ElementTree.parse(report).iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("type") == "pytest.xfail":
            expected += 1
        elif any(case.find(outcome) is not None for outcome in ("failure", "error", "skipped")):
            others += 1
        elif case.find("properties/property[@name='daemon']") is not None:
            passed += 1
        else:
            others += 1
    return passed, expected, others


def main() -> int:
    """Run it all; return the exit status: 0 only if all was as it should be."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=os.environ.get("GOORDINATE_ORIGINAL_PYTHON"))
    arguments, options = parser.parse_known_args()
    if not arguments.python:
        parser.error("say which Python 2.7 has the package coordinate: --python")
    with tempfile.TemporaryDirectory(prefix="goordinate-converted-") as scratch:
        folder = Path(scratch)
        convert(arguments.python, folder)
        report = folder / "report.xml"
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
        options += ["-p", "converted_plugin", "-p", "no:cacheprovider", f"--rootdir={folder}"]
        options += ["-o", "junit_family=xunit1", f"--junitxml={report}"]
        modules = [f"coordinate.tests.{module}" for module in MODULES]
        status = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *options, "--pyargs", *modules],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path},
            timeout=LIMIT_SECONDS,
        ).returncode
        passed, expected, others = outcomes(report) if report.exists() else (0, 0, 0)
    print(
        f"converted: {passed} of {UPSTREAM_TESTS} of the original's own tests passed in Python 3,"
        f" {expected} of {len(EXPECTED)} failed as expected"
    )
    complete = passed + expected == UPSTREAM_TESTS and expected == len(EXPECTED) and not others
    return 0 if status == 0 and complete else 1


if __name__ == "__main__":
    sys.exit(main())
