"""The parts of the fuzzer, which `scripts/fuzz.py` is."""
