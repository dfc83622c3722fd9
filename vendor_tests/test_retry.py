"""The real client rides through a restart of the daemon.

It tries a call again on a socket error, after 0.5, 1, 2, 4 and 8 seconds; so a daemon that is
back on its port within about 15 seconds is not noticed, but for what it forgot.
"""
from __future__ import absolute_import, division, print_function

import threading
import time

import pytest
from coordinate import TaskMaster

from goordinate_plugin import Daemon

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
