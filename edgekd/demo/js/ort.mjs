// An .onnx in onnxruntime-web, on the CPU by WebAssembly.
import * as ort from 'onnxruntime-web';
import { asset } from './assets.mjs';
import { makeModel } from './model.mjs';

export async function openModel(config) {
  // One thread: more need headers that a file has not. No worker: it would be fetched.
  Object.assign(ort.env.wasm, { numThreads: 1, proxy: false, wasmBinary: (await asset('wasm')).buffer });
  const session = await ort.InferenceSession.create(await asset('model'), { executionProviders: ['wasm'] });
  const { name, dtype } = config.input;
  return makeModel(async (values, shape) => {
    const results = await session.run({ [name]: new ort.Tensor(dtype, values, shape) }, [config.output.name]);
    return results[config.output.name].data;
  }, config);
}
