"""Measure imgforge beside its peers and print a table; docs/benchmark.md says how and what is fair about it.

python tests/bench/run.py [-n 5] [--only python3,php8.2] [--cases cold,changed] [--quick] [--work DIR]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(importlib.import_module("bench.main").main())
