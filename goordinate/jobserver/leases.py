"""The lengths of leases (seconds) that RPC clients may ask for."""

DEFAULT_LEASE = 300.0
MIN_LEASE = 1.0
MAX_LEASE = 86_400.0
