"""Files of tags that need no training: a file of single labels whose softmax becomes sigmoids."""

from __future__ import annotations

from edgekd.formats import tflite_file


def swap_softmax(content: bytes) -> bytes:
    """A .tflite whose softmax became sigmoids: both activations of int8 have 256 steps from 0 to 1."""
    from ai_edge_litert import schema_py_generated as schema

    model = tflite_file.parse(content, "the model")
    number = schema.BuiltinOperator.SOFTMAX
    for place, code in enumerate(model.operatorCodes):
        if max(int(code.builtinCode), int(code.deprecatedBuiltinCode)) == number:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.LOGISTIC
            for op in model.subgraphs[0].operators:
                if op.opcodeIndex == place:
                    op.builtinOptions, op.builtinOptionsType = None, 0
    return tflite_file.pack(model)
