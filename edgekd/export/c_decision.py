"""The decision of a file as C: its numbers, and a function that makes an answer of probabilities."""

from __future__ import annotations

from edgekd.formats.artifact import Artifact
from edgekd.formats.decision import Decision, least_float32


def has_c_decision(artifact: Artifact) -> bool:
    """Whether the answer is another than the most probable class, which needs no function."""
    return not artifact.decision.has_rule_of(Decision())


def declaration(name: str, artifact: Artifact) -> str:
    """What the header says of the decision; empty without one."""
    if not has_c_decision(artifact):
        return ""
    upper, decision = name.upper(), artifact.decision
    numbers = ""
    if decision.task == "multi-label":
        numbers = f"""/* The least probability of each tag that is given. */
extern const float {name}_thresholds[{upper}_CLASSES];
"""
    if decision.reject_below is not None:
        numbers += f"""/* Where the most probable class is below it, none of them is the answer. */
#define {upper}_REJECT_BELOW {_number(decision.reject_below)}
"""
    if decision.none_label is not None:
        numbers += f"""/* The class of what shows none of the others. */
#define {upper}_NONE {artifact.labels.index(decision.none_label)}
"""
    return f"""{numbers}/* Writes the numbers of the labels that are the answer, in their order, and returns how many.
   0: the image shows none of them. */
int {name}_decide(const float probabilities[{upper}_CLASSES], int answer[{upper}_CLASSES]);
"""


def definition(name: str, artifact: Artifact) -> str:
    """What the source says of the decision; empty without one."""
    if not has_c_decision(artifact):
        return ""
    upper, decision = name.upper(), artifact.decision
    head = f"int {name}_decide(const float probabilities[{upper}_CLASSES], int answer[{upper}_CLASSES])"
    if decision.task == "multi-label":
        numbers = ", ".join(map(_number, decision.thresholds))
        return f"""
const float {name}_thresholds[{upper}_CLASSES] = {{{numbers}}};

{head} {{
  int count = 0;
  for (int i = 0; i < {upper}_CLASSES; ++i) {{
    if (probabilities[i] >= {name}_thresholds[i]) answer[count++] = i;
  }}
  return count;
}}
"""
    lines = [
        *([f"  if (probabilities[top] < {upper}_REJECT_BELOW) return 0;"] if decision.reject_below is not None else []),
        *([f"  if (top == {upper}_NONE) return 0;"] if decision.none_label is not None else []),
    ]
    rules = "\n".join(lines)
    return f"""
{head} {{
  int top = 0;
  for (int i = 1; i < {upper}_CLASSES; ++i) {{
    if (probabilities[i] > probabilities[top]) top = i;
  }}
{rules}
  answer[0] = top;
  return 1;
}}
"""


def example_lines(name: str, artifact: Artifact) -> str:
    """C++ that prints the answer of the model's ``scores``."""
    upper, spec = name.upper(), artifact.outputs[0]
    if not has_c_decision(artifact):
        return f"""  int best = 0;
  for (int i = 1; i < {upper}_CLASSES; ++i) {{
    if (scores[i] > scores[best]) best = i;
  }}
  std::printf("%s (arena used: %u bytes)\\n", {name}_labels[best],
              static_cast<unsigned>(interpreter.arena_used_bytes()));"""
    value = "scores[i]"
    if spec.dtype == "uint8":
        value = f"{_number(spec.scale or 1.0)} * (scores[i] - {spec.zero_point or 0})"
    return f"""  float probabilities[{upper}_CLASSES];
  for (int i = 0; i < {upper}_CLASSES; ++i) probabilities[i] = {value};
  int answer[{upper}_CLASSES];
  const int count = {name}_decide(probabilities, answer);
  if (count == 0) std::printf("none of these");
  for (int i = 0; i < count; ++i) std::printf("%s%s", i == 0 ? "" : ", ", {name}_labels[answer[i]]);
  std::printf(" (arena used: %u bytes)\\n", static_cast<unsigned>(interpreter.arena_used_bytes()));"""


def _number(value: float) -> str:
    text = f"{float(least_float32(value)):.9g}"
    return f"{text}f" if any(mark in text for mark in ".en") else f"{text}.0f"
