"""The backend that keeps everything in memory; it is lost when the process ends.

Rule: nothing here waits, does I/O or switches greenlets. So every operation runs from start to
end without another one seeing it half done, and there is no lock.
"""

from goordinate.memory.backend import MemoryBackend

__all__ = ["MemoryBackend"]
