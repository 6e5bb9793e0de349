// A .tflite in LiteRT.js, on the CPU by XNNPACK.
import { loadAndCompile, loadLiteRt, Tensor } from '@litertjs/core';
import { asset } from './assets.mjs';
import { makeModel } from './model.mjs';
import { parts } from './wasm_utils.mjs';

export async function openModel(config) {
  parts.script = await asset('script');
  parts.wasm = await asset('wasm');
  // It would start a GPU that is not used.
  Object.defineProperty(navigator, 'gpu', { value: undefined, configurable: true });
  await loadLiteRt('in-the-page.js');
  Object.assign(parts, { script: null, wasm: null });
  const compiled = await loadAndCompile(await asset('model'), { accelerator: 'wasm' });
  return makeModel(async (values, shape) => {
    const tensor = new Tensor(values, shape);
    const results = await compiled.run([tensor]);
    const answer = results[config.output.index].toTypedArray();
    for (const each of [tensor, ...results]) each.delete();
    return answer;
  }, config);
}
