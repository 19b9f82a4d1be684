"""The service over HTTP: latency and throughput, long load, a killed worker, fuzzing."""
