"""What the workers of these tests run: the work functions of a two-spec chain, in Python 2.7.

Each run of a unit adds a line "spec key" to the file named by the spec's ``config``, so that
a test can count the runs.
"""
from __future__ import absolute_import, division, print_function

import os


def _record(work_unit):
    # One short write to a file opened for appending is atomic: workers may share the file.
    line = '{} {}\n'.format(work_unit.work_spec_name, work_unit.key)
    record = os.open(work_unit.spec['config']['record'],
                     os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(record, line)
    finally:
        os.close(record)


def double(work_unit):
    """Chain two units: KEY-a and KEY-b, each with twice this unit's number."""
    _record(work_unit)
    chained = {'number': 2 * work_unit.data['number']}
    work_unit.data['output'] = {work_unit.key + '-a': chained, work_unit.key + '-b': chained}


def square(work_unit):
    """Write the square of the unit's number into its data."""
    _record(work_unit)
    work_unit.data['square'] = work_unit.data['number'] ** 2


def fail(work_unit):
    """Fail, as a work function with a fault in it does."""
    _record(work_unit)
    raise ValueError('a fault in the work function')
