"""Classic mistakes of exported models.

- ``finding``: a finding, and the file that the rules read
- ``graph``, ``inputs``, ``labels``, ``quantization``: the rules by topic, one function each
- ``rules``: the table of rules, with severity and fix
"""

from edgekd.inspection.lint.finding import Finding, Severity, Subject
from edgekd.inspection.lint.rules import RULES, Rule, lint

__all__ = ["RULES", "Finding", "Rule", "Severity", "Subject", "lint"]
