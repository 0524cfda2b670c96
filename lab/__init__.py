"""The lab measures the steps: `python -m lab --help`."""
