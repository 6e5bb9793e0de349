"""The classic mistakes of exported models: one function finds each, and the table has its fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgekd.inspection.lint import graph, inputs, labels, quantization
from edgekd.inspection.lint.finding import Finding, Message, Severity, Subject


@dataclass(frozen=True)
class Rule:
    """A rule returns a message if it finds its mistake, else None; ``fix`` is the same for every file."""

    name: str
    severity: Severity
    find: Callable[[Subject], str | None]
    fix: str


RULES = (
    Rule("odd-input-scale", "error", inputs.odd_input_scale,
         "Calibrate with photos as the app feeds them, all of 0..255, and state the range in one place"),
    Rule("double-normalization", "error", inputs.double_normalization,
         "Normalize in one place: in the graph, with mean 0 and std 1 in the metadata"),
    Rule("nchw-input", "warning", inputs.nchw_input,
         "Convert from a channels-last model: TFLite's kernels and readers expect [N, H, W, C]"),
    Rule("dynamic-shape", "warning", inputs.dynamic_shape,
         "Fix every size but the batch before converting"),
    Rule("free-batch", "note", inputs.free_batch,
         "Convert with batch 1 if the app never needs more: delegates then plan once"),
    Rule("fixed-batch", "warning", inputs.fixed_batch,
         "Convert with batch 1, or with a free batch"),
    Rule("label-count", "error", labels.label_count,
         "Write one label for each output, in the order of training, a background class included"),
    Rule("label-names", "warning", labels.label_names,
         "Give every class a different name"),
    Rule("no-labels", "warning", labels.no_labels,
         "Put the labels into the file, so that they cannot be shuffled: edgekd export does"),
    Rule("no-metadata", "note", labels.no_metadata,
         "State range, colour order and labels in the file: edgekd export does"),
    Rule("non-builtin-ops", "error", graph.non_builtin_ops,
         "Replace the layers that made them, or ship the runtime that has them"),
    Rule("weights-in-another-file", "warning", graph.weights_in_another_file,
         "Keep the files together, or put them into one: python -c \"import onnx; onnx.save(onnx.load('MODEL.onnx'), "
         "'one_file.onnx')\""),
    Rule("free-sizes-not-run", "warning", graph.free_sizes_not_run,
         "Give the sizes that it is used with: --shape 1,16000, or --shape NAME=1,16000 where it has several inputs"),
    Rule("softmax-twice", "error", graph.softmax_twice,
         "Remove one: train with from_logits=True, or leave the activation out of the export"),
    Rule("old-opset", "warning", graph.old_opset,
         "Convert with opset 17 or newer; per-channel quantization needs 13"),
    Rule("schema-version", "error", graph.schema_version,
         "Convert again with a current converter: every reader expects version 3"),
    Rule("does-not-run", "error", graph.does_not_run,
         "Run it in the runtime that it was made for, or convert it again"),
    Rule("non-finite-constants", "error", graph.non_finite_constants,
         "Train again from the last good checkpoint, and convert that"),
    Rule("constant-weights", "warning", graph.constant_weights,
         "Look for a layer that was never trained or was pruned away"),
    Rule("float-ops-in-int8", "warning", quantization.float_ops,
         "Convert with representative photos and int8 ops only, or replace the layers named"),
    Rule("float-edges", "note", quantization.float_edges,
         "Convert with inference_input_type and inference_output_type uint8 or int8 for hardware without floats "
         "(microcontrollers, some NPUs)"),
    Rule("dynamic-range", "warning", quantization.dynamic_range,
         "Quantize activations too, with representative photos: this form is smaller, and often slower than float"),
    Rule("per-tensor-weights", "warning", quantization.per_tensor_weights,
         "Quantize convolutions with one scale per channel (per_channel=True): accuracy often rises by several points"),
    Rule("zero-range", "error", quantization.zero_range,
         "Calibrate with real photos: a tensor with an empty range carries no information"),
    Rule("quantize-pairs", "warning", quantization.quantize_pairs,
         "Convert the whole model at once, so that nothing is dequantized to be quantized again"),
    Rule("unfused-activation", "warning", quantization.unfused_activation,
         "Drop a Relu or Clip whose bounds the range behind it enforces: it keeps the runtime from fusing"),
    Rule("signed-activations", "note", quantization.signed_activations,
         "Use uint8 activations with int8 weights: ONNX Runtime's kernels on x86 are made for them"),
    Rule("undelegated-layers", "warning", graph.undelegated_layers,
         "Use ops and types that the delegate takes, with static weights and shapes"),
)  # fmt: skip


def _finding(rule: Rule, message: str) -> Finding:
    severity, fix = rule.severity, rule.fix
    if isinstance(message, Message):
        severity, fix = message.severity or severity, message.fix or fix
    return Finding(rule.name, severity, str(message), fix)


def lint(subject: Subject) -> tuple[Finding, ...]:
    """Every mistake found, the worst first."""
    findings = [_finding(rule, message) for rule in RULES if (message := rule.find(subject)) is not None]
    return tuple(sorted(findings, key=lambda finding: ("error", "warning", "note").index(finding.severity)))
