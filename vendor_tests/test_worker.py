"""A real ``coordinate_worker``, unchanged, works a chain of two specs off the daemon's queue."""
from __future__ import absolute_import, division, print_function

import collections
import os
import signal
import subprocess
import sys

import pytest
import yaml

from goordinate_plugin import wait_until

COMMAND = os.path.join(os.path.dirname(sys.executable), 'coordinate_worker')
UNITS = 20
WORK_SECONDS = 60.0
STOP_SECONDS = 30.0


@pytest.fixture
def worker(task_master, daemon, tmpdir):
    """A ``coordinate_worker`` in the foreground, with two processes that do work."""
    config = tmpdir.join('config.yaml')
    config.write(yaml.safe_dump({'coordinate': {
        'addresses': [daemon.address],
        'fork_worker': {'num_workers': 2, 'poll_interval': 0.1, 'heartbeat_interval': 0.5,
                        'child_lifetime': 1}}}))
    log = tmpdir.join('worker.log')
    with open(str(log), 'wb') as output:
        process = subprocess.Popen([COMMAND, '--foreground', '-c', str(config)],
                                   cwd=str(tmpdir), stdout=output, stderr=output)
    try:
        yield process
        stop(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        print(log.read())


def stop(worker):
    """Have the worker end after its current units, and with it the processes it started."""
    if worker.poll() is None:
        worker.send_signal(signal.SIGTERM)
    wait_until(lambda: worker.poll() is not None, STOP_SECONDS, 'the worker to end')
    assert worker.returncode == 0


def spec(name, function, record, **more):
    return dict(more, name=name, min_gb=0.1, module='chain_functions', run_function=function,
                config={'record': str(record)})


def test_a_chain_runs_to_its_end_each_unit_once(task_master, worker, tmpdir):
    record = tmpdir.join('record')
    keys = ['unit-{:02}'.format(number) for number in range(UNITS)]
    task_master.set_work_spec(spec('double', 'double', record, then='square'))
    task_master.set_work_spec(spec('square', 'square', record))
    task_master.add_work_units(
        'double', [(key, {'number': number}) for number, key in enumerate(keys)])

    def chained_all_finished():
        return task_master.status('square')['num_finished'] == 2 * UNITS

    wait_until(chained_all_finished, WORK_SECONDS, 'the chain to end')
    parent = [name for name, mode in task_master.workers().items()
              if task_master.get_heartbeat(name)['pid'] == worker.pid]
    assert len(parent) == 1
    stop(worker)

    runs = collections.Counter(record.read().splitlines())
    expected = ['double ' + key for key in keys]
    expected += ['square ' + key + end for key in keys for end in ('-a', '-b')]
    assert runs == collections.Counter(expected)
    assert task_master.status('double')['num_finished'] == UNITS
    assert dict(task_master.get_work_units('square')) == {
        key + end: {'number': 2 * number, 'square': 4 * number ** 2}
        for number, key in enumerate(keys) for end in ('-a', '-b')}
    assert task_master.count_work_units('square') == {task_master.FINISHED: 2 * UNITS}
    assert task_master.workers() == {}


def test_a_failing_unit_is_failed_with_its_traceback(task_master, worker, tmpdir):
    task_master.set_work_spec(spec('broken', 'fail', tmpdir.join('record')))
    task_master.add_work_units('broken', [('unit', {})])
    wait_until(lambda: task_master.status('broken')['num_failed'] == 1, WORK_SECONDS,
               'the unit to fail')
    status = task_master.get_work_unit_status('broken', 'unit')
    assert status['status'] == task_master.FAILED
    assert 'ValueError: a fault in the work function' in status['traceback']
    assert tmpdir.join('record').read() == 'broken unit\n'
