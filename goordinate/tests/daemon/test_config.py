"""The configuration: what is read, what is refused and in which words, what is sent."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

import pytest

from goordinate.config import (
    ConfigError,
    JobQueueConfig,
    LogConfig,
    ServerConfig,
    default_config,
    difference,
    load,
)
from goordinate.coordinate.attempt_data import DEFAULT_BUDGET
from goordinate.logs import levels
from goordinate.tests.daemon.configuration import DEFAULTS, error_of, load_text


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# Each asks for nothing at all.
EMPTY = [
    "",
    "# nothing\n",
    "---\n",
    "null",
    "{}",
    "coordinate:",
    "coordinate: null",
    "coordinate: {server: null, job_queue: }",
    "coordinate: {server: {host: null, port: , modules: ~}, job_queue: {postgres_schema: null}}",
]


@pytest.mark.parametrize("text", EMPTY)
def test_an_empty_file_is_the_defaults(text: str) -> None:
    config = load_text(text)
    assert (config.server, config.job_queue) == (ServerConfig(), JobQueueConfig())
    assert config.effective == DEFAULTS
    assert (config.warnings, config.lacking) == ((), ())


def test_no_file_is_the_defaults() -> None:
    assert load(None, {}) == load_text("")
    assert default_config() == DEFAULTS


def test_the_command_line_wins_over_the_file_and_the_file_over_the_defaults() -> None:
    text = "coordinate: {server: {host: in.file, port: 1}, job_queue: {limit_completed_age: 2.5}}"
    config = load_text(text, host=None, port=2)
    assert (config.server.host, config.server.port) == ("in.file", 2)
    assert config.job_queue.limit_completed_age == 2.5
    effective = config.effective["coordinate"]
    assert effective["server"] == {**DEFAULTS["coordinate"]["server"], "host": "in.file", "port": 2}
    assert effective["job_queue"]["limit_completed_age"] == 2.5


def test_the_keys_of_others_are_left_alone() -> None:
    text = """
coordinate: {namespace: n, addresses: [[h, 1]], worker: {a: null}, gone: null, fork_worker: null}
yakonfig: null
dblogger: null
kvlayer: &k {storage_type: redis, none: null, 1: [x]}
copy: {<<: *k, 1: 2}
gone: null
"""
    config = load_text(text)
    assert config.warnings == ()
    assert config.effective == {
        "coordinate": {
            **DEFAULTS["coordinate"],
            "namespace": "n",
            "addresses": [["h", 1]],
            "worker": {"a": None},
        },
        "kvlayer": {"storage_type": "redis", "none": None, 1: ["x"]},
        "copy": {"storage_type": "redis", "none": None, 1: 2},
    }


PORT = "an integer from 0 to 65535"
COUNT = "an integer of 0 or more, or null"
AMOUNT = "a number of 0 or more, or null"
BUDGET = "a number of bytes, 0 or more"
ABOVE_0 = "a number above 0"
SIZE = "a number of bytes, 1024 or more"
MOST = "an integer of 1 or more"
DEPTH = "an integer from 16 to 256"
NETWORK = "a network such as '10.0.0.0/8', '192.168.1.7' or 'fd00::/8'"
LEVEL = "one of CRITICAL, FATAL, ERROR, WARNING, WARN, INFO, DEBUG, NOTSET, or a number"

HTTPD = "HOST:PORT, or null"
TOKEN = "a map of name, role and token"

# The file, the key, what was expected, what there is.
WRONG_VALUES = [
    ("[]", "top level", "a map", "a list"),
    ("just text", "top level", "a map", "the string 'just text'"),
    ("coordinate: 5", "coordinate", "a map", "5"),
    ("coordinate: {server: []}", "coordinate.server", "a map", "a list"),
    ("coordinate: {server: false}", "coordinate.server", "a map", "false"),
    ("coordinate: {job_queue: x}", "coordinate.job_queue", "a map", "the string 'x'"),
    ("coordinate: {server: {host: 127}}", "coordinate.server.host", "a string", "127"),
    ("coordinate: {server: {host: [h]}}", "coordinate.server.host", "a string", "a list"),
    ("coordinate: {server: {port: '5932'}}", "coordinate.server.port", PORT, "the string '5932'"),
    ("coordinate: {server: {port: -1}}", "coordinate.server.port", PORT, "-1"),
    ("coordinate: {server: {port: 65536}}", "coordinate.server.port", PORT, "65536"),
    ("coordinate: {server: {port: 5932.0}}", "coordinate.server.port", PORT, "5932.0"),
    ("coordinate: {server: {port: true}}", "coordinate.server.port", PORT, "true"),
    ("coordinate: {server: {rpclog: 1}}", "coordinate.server.rpclog", "true or false", "1"),
    (
        "coordinate: {server: {rpclog: 'yes'}}",
        "coordinate.server.rpclog",
        "true or false",
        "the string 'yes'",
    ),
    ("coordinate: {server: {modules: {a: b}}}", "coordinate.server.modules", "a list", "a map"),
    *(
        (f"coordinate: {{server: {{httpd: {value}}}}}", "coordinate.server.httpd", HTTPD, got)
        for value, got in [
            ("5933", "5933"),
            ("'5933'", "the string '5933'"),
            ("'::1'", "the string '::1'"),
            ("h:x", "the string 'h:x'"),
            ("h:65536", "the string 'h:65536'"),
        ]
    ),
    *(
        (f"coordinate: {{http: {{tokens: [{value}]}}}}", "coordinate.http.tokens[0]", TOKEN, got)
        for value, got in [
            ("secret", "the string 'secret'"),
            ("{name: a, role: read}", "a map"),
            ("{name: a, role: read, token: 5}", "a map"),
        ]
    ),
    *(
        (f"coordinate: {{server: {{{key}: {value}}}}}", f"coordinate.server.{at}", kind, got)
        for key, at, kind, value, got in [
            ("max_frame", "max_frame", SIZE, "1023", "1023"),
            ("max_frame", "max_frame", SIZE, "64M", "the string '64M'"),
            ("max_depth", "max_depth", DEPTH, "15", "15"),
            ("max_depth", "max_depth", DEPTH, "257", "257"),
            ("max_batch", "max_batch", MOST, "0", "0"),
            ("max_connections", "max_connections", f"{MOST}, or null", "0", "0"),
            ("max_connections", "max_connections", f"{MOST}, or null", "true", "true"),
            ("frame_timeout", "frame_timeout", ABOVE_0, "0", "0"),
            ("answer_timeout", "answer_timeout", ABOVE_0, ".inf", "inf"),
            ("max_buffered", "max_buffered", SIZE, "-1", "-1"),
            ("stop_timeout", "stop_timeout", ABOVE_0, "soon", "the string 'soon'"),
            ("hold_get_work", "hold_get_work", "a number from 0 to 60", "61", "61"),
            ("tags", "tags", "known or any", "all", "the string 'all'"),
            ("allow", "allow", "a list of networks", "10.0.0.0/8", "the string '10.0.0.0/8'"),
            ("allow", "allow[1]", NETWORK, "[10.0.0.0/8, host]", "the string 'host'"),
            ("allow", "allow[0]", NETWORK, "[10.0.0.1/8]", "the string '10.0.0.1/8'"),
            ("deny", "deny[0]", NETWORK, "['::1/129']", "the string '::1/129'"),
            ("deny", "deny[0]", NETWORK, "[2130706433]", "2130706433"),
        ]
    ),
    *(
        (f"coordinate: {{job_queue: {{{key}: {value}}}}}", f"coordinate.job_queue.{key}", kind, got)
        for key, kind, value, got in [
            ("limit_completed_count", COUNT, "-1", "-1"),
            ("limit_completed_count", COUNT, "1.5", "1.5"),
            ("limit_completed_count", COUNT, "true", "true"),
            ("limit_completed_count", COUNT, "'7'", "the string '7'"),
            ("limit_completed_count", COUNT, "2001-02-03", "2001-02-03"),
            ("limit_completed_age", AMOUNT, "-0.5", "-0.5"),
            ("limit_completed_age", AMOUNT, ".nan", "nan"),
            ("limit_completed_age", AMOUNT, ".inf", "inf"),
            ("limit_completed_age", AMOUNT, "false", "false"),
            ("limit_completed_age", AMOUNT, "{}", "a map"),
            ("attempt_data", BUDGET, "-1", "-1"),
            ("attempt_data", BUDGET, "1.5", "1.5"),
            ("attempt_data", BUDGET, "4 KiB", "the string '4 KiB'"),
            ("limit_completed_age", AMOUNT, "1e3", "the string '1e3'"),
            ("snapshot_period_seconds", AMOUNT, "often", "the string 'often'"),
            ("snapshot_path_format", "a string or null", "7", "7"),
            ("delete_snapshots_beyond", COUNT, "x", "the string 'x'"),
            ("log_path_format", "a string or null", "[a]", "a list"),
            ("do_recover", "true or false", "1", "1"),
            ("sqlite_path", "a string or null", "true", "true"),
            ("postgres_connect", "a string or null", "{a: b}", "a map"),
            ("postgres_schema", "a string", "3", "3"),
            ("joblog", "true or false", "maybe", "the string 'maybe'"),
        ]
    ),
    ("logging: []", "logging", "a map", "a list"),
    ("logging: {root: {level: LOUD}}", "logging.root.level", LEVEL, "the string 'LOUD'"),
    ("logging: {root: {level: -1}}", "logging.root.level", LEVEL, "-1"),
    ("logging: {loggers: {a.b: {level: []}}}", "logging.loggers.a.b.level", LEVEL, "a list"),
    ("logging: {loggers: {a: DEBUG}}", "logging.loggers.a", "a map", "the string 'DEBUG'"),
    ("logging: {handlers: {console: 1}}", "logging.handlers.console", "a map", "1"),
]


@pytest.mark.parametrize(("text", "key", "expected", "got"), WRONG_VALUES)
def test_a_wrong_value_is_named(text: str, key: str, expected: str, got: str) -> None:
    assert error_of(text) == f"site.yaml: {key}: expected {expected}, got {got}"


def test_a_wrong_value_on_the_command_line_names_the_option() -> None:
    message = f"command line: --port: expected {PORT}, got 70000"
    assert error_of("coordinate: {server: {port: x}}", port=70000) == message


@pytest.mark.parametrize(
    ("block", "section", "key", "value"),
    [
        ("{host: ''}", "server", "host", ""),
        ("{host: '::1'}", "server", "host", "::1"),
        ("{port: 0}", "server", "port", 0),
        ("{port: 65535}", "server", "port", 65535),
        ("{rpclog: on}", "server", "rpclog", True),
        ("{max_frame: 1024}", "server", "max_frame", 1024),
        ("{max_depth: 16}", "server", "max_depth", 16),
        ("{max_connections: 1}", "server", "max_connections", 1),
        ("{frame_timeout: 0.5}", "server", "frame_timeout", 0.5),
        ("{allow: [10.1.2.3, 'fd00::/8']}", "server", "allow", ["10.1.2.3", "fd00::/8"]),
        ("{deny: [0.0.0.0/0, '::/0']}", "server", "deny", ["0.0.0.0/0", "::/0"]),
        ("{limit_completed_count: 0}", "job_queue", "limit_completed_count", 0),
        ("{limit_completed_age: 0}", "job_queue", "limit_completed_age", 0),
        ("{limit_completed_age: 1.5e+3}", "job_queue", "limit_completed_age", 1500.0),
        ("{attempt_data: 0}", "job_queue", "attempt_data", 0),
        ("{delete_snapshots_beyond: 5}", "job_queue", "delete_snapshots_beyond", 5),
        ("{postgres_schema: other}", "job_queue", "postgres_schema", "other"),
        ("{joblog: true}", "job_queue", "joblog", True),
    ],
)
def test_a_good_value_is_taken(block: str, section: str, key: str, value: object) -> None:
    config = load_text(f"coordinate: {{{section}: {block}}}")
    assert getattr(getattr(config, section), key) == value
    assert config.effective["coordinate"][section][key] == value
    config.require_supported()


STATE = "this daemon keeps its state in a database: set coordinate.job_queue.sqlite_path"

LACKING = [
    ("server", "modules", "[{module: m, class: C}]", "this daemon loads no modules"),
    ("job_queue", "snapshot_period_seconds", "60", STATE),
    ("job_queue", "snapshot_path_format", "'/s/{timestamp}'", STATE),
    ("job_queue", "log_path_format", "'/l/{timestamp}'", STATE),
    ("job_queue", "do_recover", "true", STATE),
    ("job_queue", "sqlite_path", "/q.sqlite", "this daemon has no SQLite backend"),
    ("job_queue", "postgres_connect", "host=db", "this daemon has no PostgreSQL backend"),
]


@pytest.mark.parametrize(("section", "key", "value", "reason"), LACKING)
def test_what_there_is_no_part_for_is_refused(
    section: str, key: str, value: str, reason: str
) -> None:
    config = load_text(f"coordinate: {{{section}: {{{key}: {value}}}}}")
    with pytest.raises(ConfigError) as caught:
        config.require_supported()
    assert str(caught.value) == f"site.yaml: coordinate.{section}.{key}: {reason}"


@pytest.mark.parametrize("value", ["null", "false", "''", "[]", "{}", "0"])
@pytest.mark.parametrize(("section", "key"), [row[:2] for row in LACKING])
def test_a_value_that_asks_for_nothing_is_not_refused(section: str, key: str, value: str) -> None:
    config = load_text(f"coordinate: {{{section}: {{{key}: {value}}}}}")
    config.require_supported()
    assert (config.server, config.job_queue) == (ServerConfig(), JobQueueConfig())


@pytest.mark.parametrize(
    ("block", "level", "loggers"),
    [
        ("{}", None, {}),
        ("{root: {level: debug}}", logging.DEBUG, {}),
        ("{root: {level: NOTSET}}", None, {}),
        ("{root: {level: NOTSET}, handlers: {console: {level: ERROR}}}", logging.ERROR, {}),
        ("{root: {level: DEBUG}, handlers: {console: {level: WARN}}}", logging.WARNING, {}),
        ("{handlers: {console: {level: 15}}}", 15, {}),
        ("{loggers: {a.b: {level: DEBUG}, c: {handlers: []}, d: }}", None, {"a.b": logging.DEBUG}),
    ],
)
def test_the_log_levels_of_the_file(block: str, level: int | None, loggers: object) -> None:
    assert load_text(f"logging: {block}").log == LogConfig(level, loggers)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("in_file", "level", "steps", "expected"),
    [
        (None, None, 0, logging.INFO),
        (None, None, 1, logging.DEBUG),
        (None, None, -2, logging.ERROR),
        (logging.ERROR, None, 0, logging.ERROR),
        (logging.ERROR, None, 1, logging.WARNING),
        (logging.ERROR, logging.DEBUG, 0, logging.DEBUG),
        (None, None, 7, logging.NOTSET),
        (None, None, -7, logging.CRITICAL),
    ],
)
def test_the_options_move_the_log_level(
    in_file: int | None, level: int | None, steps: int, expected: int
) -> None:
    result = levels(LogConfig(in_file, {"a": 30}), level=level, steps=steps, debug=["b"])
    assert result == LogConfig(expected, {"a": 30, "b": logging.DEBUG})


def test_reading_again_changes_what_can_and_says_what_cannot() -> None:
    running = load_text(
        "coordinate: {server: {port: 1, max_batch: 7},"
        " job_queue: {joblog: true, limit_completed_age: 5}}",
        host="h",
    )
    Path("site.yaml").write_text(
        "coordinate: {server: {host: g, port: 2, rpclog: true, max_depth: 99, deny: [10.1.0.0/16]},"
        " job_queue: {limit_completed_count: 3}}\nnew: key"
    )
    config = load("site.yaml", {"--host": "h"}, running=running)
    assert config.server == ServerConfig(host="h", port=1, max_depth=99, deny=["10.1.0.0/16"])
    assert config.job_queue == JobQueueConfig(limit_completed_count=3, joblog=True)
    assert config.warnings == (
        "site.yaml: coordinate.server.port: cannot change while running, it stays 1",
        "site.yaml: coordinate.server.rpclog: cannot change while running, it stays false",
        "site.yaml: coordinate.job_queue.joblog: cannot change while running, it stays true",
    )
    assert config.effective["new"] == "key"
    assert config.effective["coordinate"]["server"] == asdict(config.server)
    assert config.effective["coordinate"]["job_queue"] == asdict(config.job_queue)
    assert config.wire[b"coordinate"][b"server"][b"port"] == 1  # type: ignore[index]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"a": {"b": 1, "c": [1]}, "d": None}, {}),
        ({"a": {"b": 2, "c": [1]}, "d": None}, {"a": {"b": 2}}),
        ({"a": {"b": 1, "c": []}, "d": {}, "e": None}, {"a": {"c": []}, "d": {}, "e": None}),
        ({"a": 5, "d": None}, {"a": 5}),
    ],
)
def test_difference(target: dict[object, object], expected: object) -> None:
    assert difference({"a": {"b": 1, "c": [1]}, "d": None}, target) == expected


def test_past_attempts_keep_as_much_as_without_a_configuration() -> None:
    assert JobQueueConfig().attempt_data == DEFAULT_BUDGET
