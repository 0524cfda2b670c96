"""The schema of a record, as JSON Schema; it is the records' documentation."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from lab.record import Record


def main(argv: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(
        prog="python -m lab schema", description="Print the JSON schema of a record."
    ).parse_args(argv)
    print(json.dumps(Record.model_json_schema(), indent=2, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
