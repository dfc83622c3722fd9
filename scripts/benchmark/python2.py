"""Times calls made with the original's own client; large.py runs it, in Python 2.7.

    python2.7 python2.py PORT REPEATS '["METHOD", PARAMETER, ..]'

Prints the seconds of each call, until its answer is decoded.
"""

import json
import sys
import timeit

from coordinate.base_client import CborRpcClient  # type: ignore[import-not-found]

port, repeats, call = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
client = CborRpcClient({"address": ("127.0.0.1", port)})
for seconds in timeit.repeat(lambda: client._rpc(call[0], call[1:]), number=1, repeat=repeats):
    print(seconds)
