"""Times calls made with the original's own client; large.py runs it, in Python 2.7.

    python2.7 python2.py PORT REPEATS '["METHOD", PARAMETER, ..]'

Prints a JSON list: the milliseconds of each call, until its answer is decoded.
"""

import json
import sys
import time

from coordinate.base_client import CborRpcClient  # type: ignore[import-not-found]

port, repeats, call = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
client = CborRpcClient({"address": ("127.0.0.1", port)})
times = []
for _ in range(repeats):
    start = time.time()
    client._rpc(call[0], call[1:])
    times.append((time.time() - start) * 1e3)
print(json.dumps(times))
