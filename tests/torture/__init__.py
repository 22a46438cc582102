"""Real processes of the real binary under faults: `python3 -m tests.torture PART`. tests/torture/README.md tells the parts."""
