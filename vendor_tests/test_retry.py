"""The real client rides through a restart of the daemon.

It tries a call again on a socket error, after 0.5, 1, 2, 4 and 8 seconds; so a daemon that is
back on its port within about 15 seconds is not noticed, but for what it forgot.
"""
from __future__ import absolute_import, division, print_function

import threading
import time

import pytest
from coordinate import TaskMaster

from goordinate_plugin import Daemon, wait_until

# Long enough for the client to be refused twice, at once and after half a second.
DOWN_SECONDS = 1.0


@pytest.fixture
def own_daemon(tmpdir):
    """A daemon of the test's own, which it may stop."""
    daemon = Daemon(tmpdir)
    daemon.start()
    yield daemon
    daemon.kill()


def test_the_client_keeps_working_through_a_restart(own_daemon):
    client = TaskMaster({'address': own_daemon.address})
    client.set_work_spec({'name': 'spec', 'min_gb': 1})
    client.add_work_units('spec', [('unit', {})])
    assert client.get_work('w', available_gb=1).key == 'unit'

    port = own_daemon.port
    own_daemon.stop()
    later = threading.Timer(DOWN_SECONDS, own_daemon.start, [port])
    stopped_at = time.time()
    later.start()
    try:
        # State is in memory, so what it finds afterwards is an empty queue.
        assert client.list_work_specs() == ([], None)
    finally:
        later.join()
    assert time.time() - stopped_at >= DOWN_SECONDS
    assert own_daemon.port == port

    client.set_work_spec({'name': 'spec', 'min_gb': 1})
    client.add_work_units('spec', [('unit', {})])
    assert client.get_work('w', available_gb=1).key == 'unit'
    client.close()
    own_daemon.stop()


def call_on(address, until, calls, faults):
    """Call as a client of its own until told to end; count the calls, keep what goes wrong."""
    client = TaskMaster({'address': address})
    try:
        while not until.is_set():
            client.set_work_spec({'name': 'spec', 'min_gb': 1})
            client.list_work_specs()
            calls.append(time.time())
    except Exception as fault:  # what the test is about, whatever it is
        faults.append(fault)
    finally:
        client.close()


def test_busy_clients_ride_through_restarts(own_daemon):
    until, calls, faults = threading.Event(), [], []
    clients = [threading.Thread(target=call_on, args=(own_daemon.address, until, calls, faults))
               for _ in range(4)]
    for client in clients:
        client.start()
    port = own_daemon.port
    try:
        for _ in range(3):
            before = len(calls)
            wait_until(lambda: faults or len(calls) > before + 100, 60, 'calls')
            # Each client has a call on the way, or half of one.
            own_daemon.stop()
            own_daemon.start(port)
        before = len(calls)
        wait_until(lambda: faults or len(calls) > before + 100, 60, 'calls')
    finally:
        until.set()
        for client in clients:
            client.join()
    assert faults == []
    own_daemon.stop()
