"""`python -m goordinate`: the daemon."""

from __future__ import annotations

import sys

from goordinate.daemon import main

if __name__ == "__main__":
    sys.exit(main())
