"""All kinds of findings, by their names in findings and in the policy's allow-list."""

from __future__ import annotations

from imgforge.privacy import keys, names, patterns, search
from imgforge.privacy.finding import NAMES

KINDS = patterns.KINDS | names.KINDS | keys.KINDS | NAMES | {search.UNSEARCHABLE}
