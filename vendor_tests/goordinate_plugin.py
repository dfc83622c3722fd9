"""pytest plugin, in Python 2.7: the upstream tests speak to a goordinate daemon.

The upstream package (coordinate 0.1.5) tests its client and its server in one process: the
``task_master`` fixture of ``coordinate.tests.test_job_client`` is a client wired to a server
object. Here that fixture is replaced, in the installed module and before any test is
collected, by one whose client connects to a real goordinate daemon. The other upstream test
modules import the fixture from that module, so they get ours too. Nothing else is patched.

The daemon runs in the Python 3 named by the environment variable GOORDINATE_PYTHON.
"""
from __future__ import absolute_import, division, print_function

import os
import re
import signal
import subprocess
import time

import pytest
from coordinate import TaskMaster
from coordinate.tests import test_job_client

# A daemon starts and stops in well under a second; these only bound a failure.
START_SECONDS = 30.0
STOP_SECONDS = 30.0


def wait_until(condition, seconds, what):
    """Return the first true value of ``condition()``; fail the test after ``seconds``."""
    deadline = time.time() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.time() < deadline, 'waited {} s for {}'.format(seconds, what)
        time.sleep(0.02)


class Daemon(object):
    """A goordinate daemon in a process of its own, on the loopback.

    ``directory`` (a py.path.local) is its working directory and holds its log.
    """

    def __init__(self, directory):
        self.directory = directory
        self.log = directory.join('daemon.log')
        self.port = None
        self.process = None

    @property
    def address(self):
        return '127.0.0.1:{}'.format(self.port)

    def start(self, port=0):
        """Start, on a free port if ``port`` is 0, and wait until it serves."""
        command = [os.environ['GOORDINATE_PYTHON'], '-m', 'goordinate',
                   '--host', '127.0.0.1', '--port', str(port)]
        with open(str(self.log), 'wb') as log:
            self.process = subprocess.Popen(command, cwd=str(self.directory), stderr=log)
        self.port = wait_until(self._port_in_log, START_SECONDS, 'the daemon to serve')

    def _port_in_log(self):
        # In this order, as the log of a daemon that has ended is whole.
        ended = self.process.poll() is not None
        text = self.log.read()
        assert not ended, 'the daemon ended:\n' + text
        serving = re.search(r'serving on \S+:(\d+)$', text, re.MULTILINE)
        return serving and int(serving.group(1))

    def stop(self):
        """Send SIGTERM; fail if the exit status is not 0 or the log shows a traceback."""
        self.process.send_signal(signal.SIGTERM)
        try:
            wait_until(lambda: self.process.poll() is not None, STOP_SECONDS,
                       'the daemon to end')
        finally:
            self.kill()
        text = self.log.read()
        assert self.process.returncode == 0, text
        assert 'Traceback' not in text, text

    def kill(self):
        """End the process if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope='session')
def daemon(tmpdir_factory):
    """The daemon that all tests share; ``task_master`` empties it for each of them."""
    shared = Daemon(tmpdir_factory.mktemp('daemon'))
    try:
        shared.start()
        yield shared
        shared.stop()
    finally:
        shared.kill()


@pytest.fixture
def task_master(daemon, record_property):
    """The real client, connected to a daemon without work specs and workers.

    The property goes into the JUnit report, where run.py counts the tests that have it.
    """
    record_property('daemon', daemon.address)
    client = TaskMaster({'address': daemon.address})
    client.clear()
    for worker in client.workers():
        client.worker_unregister(worker)
    yield client
    client.close()


def pytest_configure(config):
    test_job_client.task_master = task_master
