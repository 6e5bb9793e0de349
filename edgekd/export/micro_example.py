"""The example program written with a C array."""

from __future__ import annotations

from edgekd.export.c_decision import example_lines
from edgekd.formats.artifact import Artifact

_TEMPLATE = """// Classifies one image by TensorFlow Lite for Microcontrollers (https://github.com/tensorflow/tflite-micro).
// Compile it with {name}.c and that library; without the library it does not compile.
// edgekd_preprocess.h makes the input of a camera's frame, byte for byte what edgekd's Python makes of it.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "edgekd_preprocess.h"
#include "{header}"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {{
alignas(16) uint8_t arena[{upper}_ARENA_BYTES];

// Your camera goes here: its size, the bytes of its pixels in memory, from one row to the next, and how it is turned.
constexpr int kWidth = 160, kHeight = 120, kBytesPerPixel = 3;
uint8_t frame[kWidth * kHeight * kBytesPerPixel];
int32_t scratch[EDGEKD_SCRATCH_BYTES(kWidth, kHeight, {upper}_WIDTH, {upper}_HEIGHT) / sizeof(int32_t)];

bool FillInput(uint8_t* tensor) {{
  std::memset(frame, 128, sizeof frame);
  const edgekd_image image = {{frame, kWidth * kBytesPerPixel, kWidth, kHeight, EDGEKD_RGB, 1}};
  const edgekd_input input = {{{upper}_WIDTH, {upper}_HEIGHT, {upper}_CROP}};
  return edgekd_preprocess(&image, input, scratch, sizeof scratch, tensor) == EDGEKD_OK;
}}
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
  if (!FillInput(interpreter.input(0)->data.uint8)) return 1;
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
