"""The parts of `benchmarks/curation_speed.py`: inputs from real text, environments of the peers, one measured run."""
