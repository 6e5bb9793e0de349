"""The example program written with a C array."""

from __future__ import annotations

from edgekd.export.c_decision import example_lines
from edgekd.formats.artifact import Artifact

_TEMPLATE = """// Classifies one image by TensorFlow Lite for Microcontrollers (https://github.com/tensorflow/tflite-micro).
// Compile it with {name}.c and that library; without the library it does not compile.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "{header}"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {{
alignas(16) uint8_t arena[{upper}_ARENA_BYTES];

// Your camera goes here: {upper}_HEIGHT x {upper}_WIDTH pixels of RGB, bytes as they are. Scale a larger
// picture by averaging, as edgekd's specification of preprocessing does, not by picking pixels.
void FillImage(uint8_t* rgb) {{ std::memset(rgb, 128, {upper}_HEIGHT * {upper}_WIDTH * 3); }}
}}  // namespace

int main() {{
  tflite::InitializeTarget();
  const tflite::Model* model = tflite::GetModel({name});
  if (model->version() != TFLITE_SCHEMA_VERSION) return 1;

  // Exactly the ops of this model: others would only take flash.
  tflite::MicroMutableOpResolver<{count}> resolver;
{adds}

  tflite::MicroInterpreter interpreter(model, resolver, arena, sizeof arena);
  if (interpreter.AllocateTensors() != kTfLiteOk) {{
    std::printf("an arena of %u bytes is too small\\n", static_cast<unsigned>(sizeof arena));
    return 1;
  }}
  FillImage(interpreter.input(0)->data.uint8);
  if (interpreter.Invoke() != kTfLiteOk) return 1;

  const {type}* scores = interpreter.output(0)->data.{field};
{answer}
  return 0;
}}
"""


def example(name: str, header: str, methods: tuple[str, ...], artifact: Artifact) -> str:
    """C++ that runs the array ``name`` with the resolver's ``methods``."""
    quantized = artifact.outputs[0].dtype == "uint8"
    return _TEMPLATE.format(
        name=name,
        upper=name.upper(),
        header=header,
        count=len(methods),
        adds="\n".join(f"  if (resolver.{method}() != kTfLiteOk) return 1;" for method in methods),
        type="uint8_t" if quantized else "float",
        field="uint8" if quantized else "f",
        answer=example_lines(name, artifact),
    )
