"""What is run beside the tests: benchmarks, the fuzzer, the fault test and the soak."""
