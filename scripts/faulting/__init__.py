"""The parts of the fault test and the soak, which `scripts/faults.py` and `scripts/soak.py` are."""
