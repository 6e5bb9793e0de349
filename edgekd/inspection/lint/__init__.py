"""The classic mistakes of exported models.

finding        a finding, and the file that the rules look at
graph, inputs, labels, quantization    the rules, by what they look at: a function each
rules          the table of them all, with severity and what to do
"""

from edgekd.inspection.lint.finding import Finding, Severity, Subject
from edgekd.inspection.lint.rules import RULES, Rule, lint

__all__ = ["RULES", "Finding", "Rule", "Severity", "Subject", "lint"]
