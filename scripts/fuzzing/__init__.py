"""The fuzzer: Hypothesis makes bytes of all kinds, and every reader of bytes is tried with them."""
