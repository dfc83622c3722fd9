"""The real Python 2 client, driven from here: calls in, answers out, as CBOR through pipes."""

from __future__ import annotations

import subprocess
from types import TracebackType
from typing import Any

from goordinate.cborrpc import dumps, loads
from goordinate.tests.original import original_python

#: What the Python 2 process runs. A message is its length in 8 digits and its CBOR.
DRIVER = r"""
import sys, logging
from coordinate import TaskMaster
from coordinate.base_client import make_cbor_tagmapper
from coordinate.job_client import WorkUnit
logging.disable(logging.CRITICAL)
mapper = make_cbor_tagmapper()
master = TaskMaster({'address': sys.argv[1]})
kept = [None]

def told(value):
    if isinstance(value, WorkUnit):
        kept[0] = value
        return {'unit': (value.work_spec_name, value.key, value.data, value.worker_id,
                         value.expires, value.default_lease_time)}
    if isinstance(value, (list, tuple)):
        return type(value)(told(item) for item in value)
    if isinstance(value, dict):
        return dict((key, told(item)) for key, item in value.items())
    return value

def answer(kind, name, args, kwargs):
    kwargs = dict((str(key), value) for key, value in kwargs.items())
    if kind == 'dump':
        return [mapper.dumps(value) for value in args]
    if kind == 'eval':
        return eval(name, {'unit': kept[0], 'master': master})
    if kind == 'exec':
        exec(name, {'unit': kept[0], 'master': master})
        return None
    result = getattr(master if kind == 'master' else kept[0], name)(*args, **kwargs)
    return list(result) if hasattr(result, 'next') else result

while True:
    head = sys.stdin.read(8)
    if not head:
        break
    try:
        result = told(answer(*mapper.loads(sys.stdin.read(int(head)))))
    except Exception as error:
        result = {'raised': type(error).__name__}
    written = mapper.dumps(result)
    sys.stdout.write('%08d' % len(written) + written)
    sys.stdout.flush()
"""


class Python2:
    """A Python 2 process with a TaskMaster, and the WorkUnit that it told of last.

    A result is as `cborrpc` reads it; {b"raised": type} for an exception; a WorkUnit is
    {b"unit": (work spec, key, data, worker, expires, lease)}.
    """

    def __init__(self, address: str) -> None:
        self._process = subprocess.Popen(
            [original_python(), "-W", "ignore", "-c", DRIVER, address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def call(self, kind: str, name: str, *args: Any, **kwargs: Any) -> Any:
        """kind: "master" or "unit", whose method `name` is called; "eval" or "exec", for which
        `name` is Python 2 source; "dump" for the encodings of the arguments."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        message = dumps([kind.encode(), name.encode(), list(args), kwargs])
        self._process.stdin.write(b"%08d" % len(message) + message)
        self._process.stdin.flush()
        return loads(self._process.stdout.read(int(self._process.stdout.read(8))))

    def __enter__(self) -> Python2:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)
