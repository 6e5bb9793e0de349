"""Evaluation of exported files and of teachers; imports no TensorFlow.

- ``rows``, ``tag_scores``: what an evaluation gives; ``gates``, ``twin_gates``: what a file must hold
- ``score``: accuracy of a file, and its agreement with the float student
- ``label_order``, ``tag_order``: whether the labels are in the order of the outputs
- ``lead``: whether one model is ahead of another on the same photos
- ``teacher_gates``: whether the teacher is good enough to distill from
"""

from edgekd.evaluation.gates import ParityGates
from edgekd.evaluation.rows import CheckRow, GateResult
from edgekd.evaluation.score import score

__all__ = ["CheckRow", "GateResult", "ParityGates", "score"]
