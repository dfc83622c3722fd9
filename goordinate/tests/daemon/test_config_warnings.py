"""The configuration: what has no effect, what is misplaced, and what has two names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from goordinate.tests.daemon.configuration import DEFAULTS, error_of, load_text


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("delete_snapshots_beyond", "5", "this daemon writes no snapshots"),
        ("postgres_schema", "other", "this daemon has no PostgreSQL backend"),
        ("joblog", "true", "this daemon writes no log of single jobs"),
    ],
)
def test_a_value_that_has_no_effect_is_a_warning(key: str, value: str, reason: str) -> None:
    config = load_text(f"coordinate: {{job_queue: {{{key}: {value}}}}}")
    assert config.warnings == (f"site.yaml: coordinate.job_queue.{key}: not used: {reason}",)
    config.require_supported()


def test_the_defaults_of_the_original_written_out_are_no_warning() -> None:
    lines = ["coordinate:"]
    for section, keys in DEFAULTS["coordinate"].items():
        lines += [f"  {section}:", *(f"    {key}: {json.dumps(v)}" for key, v in keys.items())]
    config = load_text("\n".join(lines))
    assert config.warnings == ()
    config.require_supported()


# What the file and the option ask for, and where state is then kept.
BACKENDS = [
    ("{}", None, "memory"),
    ("{}", "memory", "memory"),
    ("{}", "sqlite:q", "sqlite:q"),
    ("{sqlite_path: q}", None, "sqlite:q"),
    ("{sqlite_path: q}", "sqlite:q", "sqlite:q"),
    ("{sqlite_path: '', postgres_connect: null}", None, "memory"),
    ("{postgres_connect: 'host=db user=u'}", None, "postgres:host=db user=u"),
]


@pytest.mark.parametrize(("block", "option", "expected"), BACKENDS)
def test_the_option_and_the_keys_mean_the_same_backend(
    block: str, option: str | None, expected: str
) -> None:
    text = f"coordinate: {{job_queue: {block}}}"
    config = load_text(text, backends=("memory", "sqlite", "postgres"), backend=option)
    assert config.backend == expected
    config.require_supported()


OPTION = "command line: --backend"
SQLITE = "site.yaml: coordinate.job_queue.sqlite_path"
POSTGRES = "site.yaml: coordinate.job_queue.postgres_connect"


@pytest.mark.parametrize(
    ("block", "option", "one", "other"),
    [
        ("{sqlite_path: q}", "memory", OPTION, SQLITE),
        ("{sqlite_path: q}", "sqlite:r", OPTION, SQLITE),
        ("{postgres_connect: password=secret}", "postgres:x", OPTION, POSTGRES),
        ("{sqlite_path: q, postgres_connect: password=secret}", None, SQLITE, POSTGRES),
    ],
)
def test_two_backends_are_an_error(block: str, option: str | None, one: str, other: str) -> None:
    message = error_of(f"coordinate: {{job_queue: {block}}}", backend=option)
    assert message == f"{one} and {other}: these are two backends, and there is one"


@pytest.mark.parametrize(
    ("block", "key", "value"),
    [
        ("{host: '[::1]'}", "host", "::1"),
        ("{host: '[::]'}", "host", "::"),
        ("{allow: ['::ffff:10.0.0.0/104', 'fd00::/8']}", "allow", ["10.0.0.0/8", "fd00::/8"]),
        ("{deny: ['::ffff:10.0.0.1']}", "deny", ["10.0.0.1/32"]),
    ],
)
def test_other_ways_of_writing_an_address(block: str, key: str, value: object) -> None:
    config = load_text(f"coordinate: {{server: {block}}}")
    assert getattr(config.server, key) == value
    assert config.effective["coordinate"]["server"][key] == value


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "coordinate: {server: {prot: 1}}",
            "coordinate.server.prot: unknown key, the nearest known one is coordinate.server.port",
        ),
        (
            "coordinate: {job_queue: {limit_complete_count: 1}}",
            "coordinate.job_queue.limit_complete_count: unknown key,"
            " the nearest known one is coordinate.job_queue.limit_completed_count",
        ),
        (
            "logging: {handlers: {console: {}, debug: {}, file: {filename: /log}}}",
            "logging.handlers.file: not used, the log is standard error",
        ),
        *(
            (text, f"{place}: unknown key, the nearest known one is {nearest}")
            for text, place, nearest in [
                ("server: {allow: []}", "server", "coordinate.server"),
                ("job_queue: ", "job_queue", "coordinate.job_queue"),
                ("port: 7", "port", "coordinate.server.port"),
                ("coordinate.server.port: 7", "coordinate.server.port", "coordinate.server.port"),
                ("cordinate: {}", "cordinate", "coordinate"),
                ("Coordinate: {}", "Coordinate", "coordinate"),
                ("loging: {}", "loging", "logging"),
                ("coordinate: {sever: {}}", "coordinate.sever", "coordinate.server"),
                ("coordinate: {job-queue: {}}", "coordinate.job-queue", "coordinate.job_queue"),
                ("coordinate: {port: 7}", "coordinate.port", "coordinate.server.port"),
                ("coordinate: {logging: {}}", "coordinate.logging", "logging"),
                ("coordinate: {coordinate: {}}", "coordinate.coordinate", "coordinate"),
                (
                    "coordinate: {server: {sqlite_path: q}}",
                    "coordinate.server.sqlite_path",
                    "coordinate.job_queue.sqlite_path",
                ),
                (
                    "coordinate: {job_queue: {max-frame: 1}}",
                    "coordinate.job_queue.max-frame",
                    "coordinate.server.max_frame",
                ),
            ]
        ),
    ],
)
def test_a_key_that_nobody_knows_is_a_warning(text: str, warning: str) -> None:
    config = load_text(text)
    assert config.warnings == (f"site.yaml: {warning}",)
    config.require_supported()


def test_a_key_that_is_no_text_is_a_warning_too() -> None:
    assert len(load_text("coordinate: {server: {5932: x, null: y}}").warnings) == 2
