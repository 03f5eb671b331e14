"""Ask APT and imgforge the same questions and print how far they agree; see compare.py.

python tests/oracle/run.py -n 1000 --seed 1 [--recommends] [--start empty|minbase|runtime] [--without] [--pins]
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    sys.exit(importlib.import_module("oracle.compare").main())
