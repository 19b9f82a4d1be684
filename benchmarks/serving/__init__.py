"""Latency, throughput, overload and memory of the service over HTTP."""
