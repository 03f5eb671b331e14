"""Everything that is found, by the names that findings and the policy's allow-list use."""

from __future__ import annotations

from imgforge.privacy import keys, names, patterns, search
from imgforge.privacy.finding import NAMES

KINDS = patterns.KINDS | names.KINDS | keys.KINDS | NAMES | {search.UNSEARCHABLE}
