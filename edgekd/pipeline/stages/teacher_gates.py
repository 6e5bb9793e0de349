"""Stage ``teacher_gates``: whether the teacher is worth learning from."""

from __future__ import annotations

from edgekd.errors import GateFailed
from edgekd.evaluation.teacher_gates import teacher_gates
from edgekd.pipeline.context import RunContext
from edgekd.pipeline.label_gates import teacher_label_gate
from edgekd.pipeline.shipped import describe_weak_teacher
from edgekd.pipeline.validation_answers import read_answers
from edgekd.storage import read_json, write_json


def run(context: RunContext) -> None:
    """Writes ``teacher/gates.json``. Raises GateFailed for a weak teacher, unless that is accepted."""
    gates_file = context.path / "teacher" / "gates.json"
    if context.label_free:
        # Nothing that needs a label may stop the run: a teacher is judged by the test photos, in the report.
        write_json(gates_file, [])
        return
    task = context.recipe.data.task
    teacher = read_answers(read_json(context.path / "teacher" / "summary.json"), task)
    student = read_answers(read_json(context.path / "scratch" / "history.json"), task)
    truth = context.dataset.truth("val")
    # First, because a teacher whose labels are in the wrong order fails the others too, and they don't say why.
    order = teacher_label_gate(context, "val", teacher)
    results = [*([order] if order else []), *teacher_gates(truth, teacher, student, context.recipe.metric)]
    accept = context.accept_weak_teacher or context.recipe.teacher.accept_weak
    gates = [{**gate, "accepted": accept and not gate["passed"]} for gate in results]
    write_json(gates_file, gates)
    for gate in gates:
        if gate["passed"]:
            continue
        context.workspace.watcher.note(f"gate failed: {gate['name']}: {gate['message']}")
        if not accept:
            raise GateFailed(
                f"teacher gate {gate['name']} failed: {gate['message']}. A weak teacher makes a weak student: give it "
                "more labels, check teacher.pixel_range, or choose another teacher; --accept-weak-teacher continues "
                "with this one"
            )
    if all(gate["passed"] for gate in gates) and (weak := describe_weak_teacher(context)):
        context.workspace.watcher.note(weak)
