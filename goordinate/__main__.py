"""`python -m goordinate` and `goordinated`: the daemon.

The rule here: signals that arrive while the daemon starts do what one expects. So this imports
nothing that takes time before it has seen to them.
"""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run the daemon; its exit status."""
    # Kept by the system until the daemon serves, which then reads its configuration again.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # Until there is something to stop, Ctrl-C just ends the process, without a traceback. (Not if
    # it is ignored, as in the background of a shell.)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from goordinate.daemon import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
