"""The structure of the package: which part may import which, and what public names must have.

The rule: a module imports only the standard library, its own part, and what ``PARTS`` grants its
part. An import that is not granted here is a change of the architecture.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType

import pytest

import goordinate

PACKAGE = Path(goordinate.__file__).parent
CODEC = ("errors", "shown", "heads", "tags", "scan", "values", "readable", "decode", "encode")

# Part -> its modules (a package with all below it that has no entry of its own), and the parts
# and other distributions that it may import.
PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "version": (("goordinate",), ()),
    "codec": (tuple(f"goordinate.cborrpc.{name}" for name in CODEC), ()),
    "limits": (("goordinate.cborrpc.limits",), ("codec",)),
    "messages": (
        ("goordinate.cborrpc.messages", "goordinate.cborrpc.requests"),
        ("codec", "limits"),
    ),
    "wire": (("goordinate.cborrpc",), ("codec", "limits", "messages")),
    "server": (("goordinate.cborrpc.server",), ("codec", "limits", "messages", "wire", "gevent")),
    "client": (("goordinate.client",), ("codec", "wire")),
    "worker": (
        ("goordinate.worker",),
        ("version", "codec", "wire", "client", "psutil", "setproctitle", "watchfiles"),
    ),
    "worker start": (
        ("goordinate.worker.__main__",),
        ("wire", "client", "worker", "config", "pid file"),
    ),
    "compat": (("goordinate.compat",), ("client", "worker")),
    "coordinate": (("goordinate.coordinate",), ("codec",)),
    "memory": (("goordinate.memory",), ("codec", "coordinate", "sortedcontainers")),
    "jobserver": (("goordinate.jobserver",), ("codec", "limits", "messages", "coordinate")),
    "sqlite": (("goordinate.sqlite",), ("codec", "coordinate", "memory", "gevent")),
    "backend": (("goordinate.backend",), ("coordinate", "memory", "sqlite")),
    "config": (
        ("goordinate.config", "goordinate.sections", "goordinate.yaml_file"),
        ("limits", "yaml"),
    ),
    "log writer": (("goordinate.log_writer",), ()),
    "logs": (("goordinate.logs",), ("config", "log writer")),
    "testing": (
        ("goordinate.testing", "goordinate.pytest_plugin"),
        ("wire", "messages", "client", "coordinate", "jobserver", "backend", "pytest"),
    ),
    "pid file": (("goordinate.pid_file",), ()),
    "http": (("goordinate.http",), ("wire", "server", "gevent", "h11")),
    "http service": (
        ("goordinate.http_service", "goordinate.http_routes"),
        ("server", "coordinate", "config", "http", "services"),
    ),
    "services": (("goordinate.services",), ("server", "coordinate", "jobserver", "gevent")),
    "command line": (("goordinate.command_line",), ("version", "backend", "config", "logs")),
    "daemon": (
        ("goordinate.daemon",),
        (
            *("version", "codec", "limits", "messages", "wire", "server", "coordinate"),
            *("jobserver", "backend", "config", "logs", "command line", "gevent"),
            *("pid file", "services", "http service"),
        ),
    ),
    "start": (("goordinate.__main__",), ("daemon",)),
}
PART_OF = {module: part for part, (modules, _) in PARTS.items() for module in modules}


def module_files() -> dict[str, Path]:
    """The modules of the package, but for its tests, by name."""
    files = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if "tests" not in parts:
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


FILES = module_files()


def part_of(module: str) -> str | None:
    """The part that a module of ours belongs to: that of the nearest name above it with one."""
    while module not in PART_OF:
        module = module.rpartition(".")[0]
        # A new module at the top belongs to no part until it is given one.
        if module in ("goordinate", ""):
            return None
    return PART_OF[module]


def imported(module: str, tree: ast.AST) -> Iterator[str]:
    """The absolute names of the modules that a module imports, wherever it does."""
    package = module if FILES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*above, *filter(None, [node.module])]) if node.level else node.module
            for alias in node.names:
                # `from package import name`: a module of the package, or a name in it.
                submodule = f"{source}.{alias.name}"
                yield submodule if submodule in FILES else str(source)


def edges(module: str) -> set[str]:
    """The parts and distributions that a module imports, the standard library left out."""
    found = set()
    for name in imported(module, ast.parse(FILES[module].read_text())):
        top = name.partition(".")[0]
        if top == "goordinate":
            found.add(part_of(name) or name)
        elif top not in sys.stdlib_module_names:
            found.add(top)
    return found


@pytest.mark.parametrize("module", FILES)
def test_imports_go_only_where_the_table_says(module: str) -> None:
    part = part_of(module)
    assert part is not None, f"{module} is in no part: give it a row in PARTS"
    assert edges(module) - {part} <= set(PARTS[part][1])


def test_the_table_names_only_what_there_is() -> None:
    assert set(PART_OF) <= set(FILES)


def circle(modules: set[str]) -> list[str]:
    """Modules each of which imports the next, and the last the first; none if there are none."""
    imports = {
        module: modules.intersection(imported(module, ast.parse(FILES[module].read_text())))
        for module in modules
    }
    # What imports nothing that is left is in no circle.
    while free := [module for module, others in imports.items() if not others & imports.keys()]:
        for module in free:
            del imports[module]
    path: list[str] = []
    while imports:
        module = min(imports[path[-1]] & imports.keys()) if path else min(imports)
        if module in path:
            return path[path.index(module) :]
        path.append(module)
    return []


@pytest.mark.parametrize("part", PARTS)
def test_no_circle_of_modules_in_a_part(part: str) -> None:
    found = circle({module for module in FILES if part_of(module) == part})
    assert not found, " imports ".join(found)


def hidden_imports(module: str) -> list[int]:
    """The lines of the imports that only a type checker sees."""
    return [
        inside.lineno
        for node in ast.walk(ast.parse(FILES[module].read_text()))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inside in ast.walk(node)
        if isinstance(inside, (ast.Import, ast.ImportFrom))
    ]


@pytest.mark.parametrize("part", PARTS)
def test_no_import_is_hidden_from_the_interpreter(part: str) -> None:
    found = {module: hidden_imports(module) for module in FILES if part_of(module) == part}
    assert not any(found.values()), found


def public_objects(module_name: str) -> Iterator[tuple[str, object]]:
    """The public functions, classes and methods that a module defines, with their full names."""
    module = importlib.import_module(module_name)
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module_name:
            continue
        if inspect.isclass(value):
            yield f"{module_name}.{name}", value
            for attribute, member in vars(value).items():
                function = getattr(member, "fget", None) or getattr(member, "__func__", member)
                if not attribute.startswith("_") and isinstance(function, FunctionType):
                    yield f"{module_name}.{name}.{attribute}", getattr(value, attribute)
        elif isinstance(value, FunctionType):
            yield f"{module_name}.{name}", value


@pytest.mark.parametrize("module", [name for name in FILES if name != "goordinate.__main__"])
def test_public_names_have_docstrings(module: str) -> None:
    assert importlib.import_module(module).__doc__, f"{module} has no docstring"
    # A method may leave its docstring to the class it implements: getdoc looks there.
    assert [name for name, value in public_objects(module) if not inspect.getdoc(value)] == []


def unannotated(function: ast.FunctionDef | ast.AsyncFunctionDef, *, method: bool) -> bool:
    """Whether an argument (but for self or cls) or the result has no annotation."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    static = any(getattr(item, "id", "") == "staticmethod" for item in function.decorator_list)
    if method and not static:
        positional = positional[1:]
    every = [*positional, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return function.returns is None or any(a is not None and a.annotation is None for a in every)


@pytest.mark.parametrize("module", FILES)
def test_functions_are_fully_annotated(module: str) -> None:
    tree = ast.parse(FILES[module].read_text())
    methods = {
        id(item) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for item in node.body
    }
    assert [
        f"{node.name}, line {node.lineno}"
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and unannotated(node, method=id(node) in methods)
    ] == []
