"""The upstream ``coordinate`` command, unchanged, against the daemon.

One test runs each of its subcommands; what they print was compared with what they print when
they speak to the original daemon.
"""
from __future__ import absolute_import, division, print_function

import json
import os
import subprocess
import sys
import time

import pytest
import yaml

COMMAND = os.path.join(os.path.dirname(sys.executable), 'coordinate')

UNITS = '{"u1": {"number": 1}}\n{"u2": {"number": 2}}\n\n# a comment\n{"u3": {"number": 3}}\n'

JOB_QUEUE_DEFAULTS = {
    'attempt_data': 4096,
    'delete_snapshots_beyond': None,
    'do_recover': False,
    'joblog': False,
    'limit_completed_age': None,
    'limit_completed_count': None,
    'log_path_format': None,
    'postgres_connect': None,
    'postgres_schema': 'public',
    'restart_grace': 30,
    'snapshot_path_format': None,
    'snapshot_period_seconds': None,
    'sqlite_path': None,
    'sync': 'full',
    'sync_interval': 0.05,
}


@pytest.fixture
def coordinate(task_master, daemon, tmpdir):
    """``coordinate(*arguments)`` runs the command in ``tmpdir`` and returns what it printed.

    The test fails if its exit status is not the option ``status`` (0 unless given). The option
    ``stdin`` is its standard input.
    """
    tmpdir.join('config.yaml').write(yaml.safe_dump(
        {'coordinate': {'addresses': [daemon.address]}}))

    def run(*arguments, **options):
        process = subprocess.Popen(
            [COMMAND, '-c', 'config.yaml'] + list(arguments), cwd=str(tmpdir),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        printed, errors = process.communicate(options.get('stdin'))
        assert process.returncode == options.get('status', 0), errors
        return printed

    return run


@pytest.fixture
def loaded(coordinate, tmpdir):
    """The work spec ``crunch`` with units u1, u2, u3, loaded by the command itself.

    Gives the path of the file that the work functions write to.
    """
    record = tmpdir.join('record')
    tmpdir.join('spec.yaml').write(yaml.safe_dump({
        'name': 'crunch', 'min_gb': 0.1, 'module': 'chain_functions', 'run_function': 'square',
        'config': {'record': str(record)}}))
    tmpdir.join('units.json').write(UNITS)
    printed = coordinate('load', '-w', 'spec.yaml', '-u', 'units.json')
    assert printed.endswith('pushing work units\n'
                            "finished writing 3 work units to work_spec='crunch'\n")
    return record


def test_summary_of_an_empty_daemon(coordinate):
    assert coordinate('summary') == (
        'Work spec               Avail  Pending  Blocked   Failed Finished    Total\n'
        '==================== ======== ======== ======== ======== ======== ========\n')
    assert list(json.loads(coordinate('summary', '--json'))) == ['_NOW']


def test_summary(coordinate, loaded):
    coordinate('rpc', 'get_work', 'w', '{max_jobs: 1}')
    row = coordinate('summary', '--text').splitlines()[2]
    assert row.split() == ['crunch', '2', '1', '0', '0', '0', '3']
    assert json.loads(coordinate('summary', '--json'))['crunch'] == {
        'num_available': 2, 'num_pending': 1, 'num_blocked': 0, 'num_failed': 0,
        'num_finished': 0, 'num_tasks': 3}


def test_status(coordinate, loaded):
    assert json.loads(coordinate('status', '-W', 'crunch')) == {
        'num_available': 3, 'num_pending': 0, 'num_blocked': 0, 'num_failed': 0,
        'num_finished': 0, 'num_tasks': 3}


def test_work_specs_and_work_spec(coordinate, loaded):
    coordinate('rpc', 'set_work_spec', '{name: another, nice: 5}')
    assert coordinate('work_specs') == 'another\ncrunch\n'
    expected = {'name': 'crunch', 'min_gb': 0.1, 'module': 'chain_functions',
                'run_function': 'square', 'config': {'record': str(loaded)}, 'nice': 0}
    assert yaml.safe_load(coordinate('work_spec', '-W', 'crunch')) == expected
    assert json.loads(coordinate('work_spec', '-w', 'spec.yaml', '--json')) == expected


def test_load_without_work_keeps_the_units(coordinate, loaded):
    printed = coordinate('load', '-w', 'spec.yaml', '--no-work', '--nice', '7')
    assert printed.endswith('no work units. done.\n')
    assert yaml.safe_load(coordinate('work_spec', '-W', 'crunch'))['nice'] == 7
    assert coordinate('work_units', '-W', 'crunch') == 'u1\nu2\nu3\n'


def test_addwork_from_a_file_and_from_standard_input(coordinate, loaded, tmpdir):
    tmpdir.join('more.json').write('{"u0": {}}\n')
    coordinate('addwork', '-W', 'crunch', '-u', 'more.json')
    coordinate('addwork', '-w', 'spec.yaml', '-u', '-', stdin='{"u4": {"number": 4}}\n')
    assert coordinate('work_units', '-W', 'crunch') == 'u0\nu1\nu2\nu3\nu4\n'


def test_work_units(coordinate, loaded):
    coordinate('rpc', 'get_work', 'w', '{max_jobs: 2}')
    assert coordinate('work_units', '-w', 'spec.yaml') == 'u1\nu2\nu3\n'
    assert coordinate('work_units', '-W', 'crunch', '--limit', '2') == 'u1\nu2\n'
    assert coordinate('work_units', '-W', 'crunch', '--status', 'pending') == 'u1\nu2\n'
    assert coordinate('work_units', '-W', 'crunch', '--status', 'available') == 'u3\n'
    assert coordinate('work_units', '-W', 'crunch', '--status', 'finished') == ''
    assert coordinate('work_units', '-W', 'crunch', '-n', '1', '--details') == (
        "u'u1': {   u'number': 1L}\n")


def test_work_unit_shows_worker_and_traceback(coordinate, loaded):
    coordinate('rpc', 'worker_heartbeat', 'w', 'RUN', '60', '{hostname: here}', 'null')
    coordinate('rpc', 'get_work', 'w', '{max_jobs: 1}')
    pending = coordinate('work_unit', '-W', 'crunch', 'u1', 'u2').splitlines()
    assert pending[0] == 'u1 (3L)'
    assert pending[1].startswith('  Expires: ')
    assert pending[2:4] == ['  Worker: w (here)', 'u2 (1L)']
    coordinate('rpc', 'update_work_unit', 'crunch', 'u1',
               '{status: 5, data: {traceback: it broke}}')
    failed = coordinate('work_unit', '-W', 'crunch', 'u1')
    assert failed.startswith('u1 (5L)\n')
    assert failed.endswith('  Worker: w (here)\n  Traceback:\nit broke\n')
    assert coordinate('work_units', '-W', 'crunch', '-s', 'failed', '--details') == (
        "u'u1': {   'traceback': 'displayed below'}\nit broke\n")


def test_retry(coordinate, loaded):
    assert coordinate('retry', '-W', 'crunch', '--all') == 'Nothing to do.\n'
    for unit in ('u1', 'u2', 'u3'):
        coordinate('rpc', 'update_work_unit', 'crunch', unit, '{status: 5}')
    assert coordinate('retry', '-W', 'crunch', 'u2') == 'Retried 1 work unit.\n'
    assert coordinate('work_units', '-W', 'crunch', '-s', 'failed') == 'u1\nu3\n'
    assert coordinate('retry', '-W', 'crunch', '--all') == 'Retried 2 work units.\n'
    assert coordinate('work_units', '-W', 'crunch', '-s', 'available') == 'u1\nu2\nu3\n'


def test_pause_and_resume(coordinate, loaded):
    coordinate('pause', 'crunch')
    assert coordinate('rpc', 'get_work', 'w', '{max_jobs: 1}') == '((None, None, None), None)\n'
    coordinate('resume', 'crunch')
    assert coordinate('rpc', 'get_work', 'w', '{max_jobs: 1}') == (
        "(('crunch', u'u1', {u'number': 1L}), None)\n")


def test_prioritize(coordinate, loaded):
    coordinate('prioritize', 'crunch', 'u3', 'u2')
    assert coordinate('rpc', 'get_work', 'w', '{max_jobs: 3}') == (
        "([('crunch', u'u2', {u'number': 2L}), ('crunch', u'u3', {u'number': 3L}),"
        " ('crunch', u'u1', {u'number': 1L})], None)\n")


def test_clear(coordinate, loaded):
    coordinate('rpc', 'get_work', 'w', '{max_jobs: 1}')
    assert coordinate('clear', '-W', 'crunch', 'u2') == 'Removed 1 work units.\n'
    assert coordinate('clear', '-W', 'crunch', '-s', 'pending') == 'Removed 1 work units.\n'
    assert coordinate('clear', '-W', 'crunch', '-s', 'failed') == 'Removed 0 work units.\n'
    assert coordinate('clear', '-W', 'crunch') == 'Removed 1 work units.\n'
    assert json.loads(coordinate('status', '-W', 'crunch'))['num_tasks'] == 0


def test_delete(coordinate, loaded):
    assert coordinate('delete', stdin='no\n').endswith('not deleting anything\n')
    assert coordinate('work_specs') == 'crunch\n'
    assert coordinate('delete', '-y') == 'deleting all\n'
    assert coordinate('work_specs') == ''


def test_workers_and_worker_stats(coordinate):
    coordinate('rpc', 'worker_heartbeat', 'parent', 'RUN', '60', '{hostname: here}', 'null')
    coordinate('rpc', 'worker_heartbeat', 'child', 'IDLE', '60', '{}', 'parent')
    assert coordinate('workers') == 'child (IDLE)\nparent (RUN)\n'
    assert coordinate('workers', '--all', '--details') == (
        'child (IDLE)\nparent (RUN)\n  hostname: here\n')
    assert 'num_workers' in coordinate('worker_stats')
    for worker in ('parent', 'child'):
        assert coordinate('rpc', 'worker_unregister', worker) == '(True, None)\n'
    assert coordinate('workers') == ''


def test_config(coordinate, tmpdir):
    # The command writes with the full dumper, which tags Python 2's long integers.
    printed = yaml.load(coordinate('config'), Loader=yaml.UnsafeLoader)
    assert printed['coordinate']['job_queue'] == JOB_QUEUE_DEFAULTS
    assert printed['coordinate']['server']['httpd'] is None
    assert coordinate('config', '-o', 'saved.yaml') == ''
    with open(str(tmpdir.join('saved.yaml'))) as saved:
        assert yaml.load(saved, Loader=yaml.UnsafeLoader) == printed


def test_rpc_shows_errors(coordinate):
    assert coordinate('rpc', 'count_work_units', 'absent') == (
        '(False, "no such work_spec \'absent\'")\n')
    for faulty in (['no_such_method'], ['_private'], ['count_work_units'], ['now', '1', '2']):
        assert coordinate('rpc', *faulty).startswith('Exception(')


def test_flow(coordinate, tmpdir):
    spec = {'min_gb': 1, 'module': 'chain_functions'}
    tmpdir.join('flow.yaml').write(yaml.safe_dump({'flows': {
        'one': dict(spec, run_function='double', then='two'),
        'two': dict(spec, run_function='square')}}))
    coordinate('flow', 'flow.yaml')
    assert coordinate('work_specs') == 'one\ntwo\n'
    assert yaml.safe_load(coordinate('work_spec', '-W', 'one'))['then'] == 'two'


def test_run_one(coordinate, loaded):
    coordinate('run_one')
    assert loaded.read() == 'crunch u1\n'
    # Status 2 says that it ended for want of work.
    coordinate('run_one', '--from-work-spec', 'crunch', '--limit-count', '9', '--max-jobs', '2',
               status=2)
    assert loaded.readlines() == ['crunch u1\n', 'crunch u2\n', 'crunch u3\n']
    assert coordinate('work_units', '-W', 'crunch', '-s', 'finished') == 'u1\nu2\nu3\n'
    assert coordinate('workers') == ''


def test_run_one_of_a_unit_that_fails(coordinate, loaded):
    coordinate('rpc', 'set_work_spec', json.dumps({
        'name': 'crunch', 'min_gb': 0.1, 'module': 'chain_functions', 'run_function': 'fail',
        'config': {'record': str(loaded)}}))
    before = int(time.time())
    coordinate('run_one')
    assert coordinate('work_units', '-W', 'crunch', '-s', 'failed') == 'u1\n'
    shown = coordinate('work_unit', '-W', 'crunch', 'u1')
    assert 'ValueError: a fault in the work function' in shown
    expires = shown.splitlines()[1].replace('  Expires: ', '')
    assert before <= time.mktime(time.strptime(expires)) <= time.time()
