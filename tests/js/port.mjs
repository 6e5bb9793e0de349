// The port held against a directory of golden vectors, and models run on what it makes. Runs anywhere.
import { decide } from '../../edgekd/js/decision.mjs';
import { checkVector, readManifest } from '../../edgekd/js/golden.mjs';
import { readRecord, toProbabilities } from '../../edgekd/js/record.mjs';

/** Probabilities of every tensor by one model, in the given onnxruntime. */
async function answers(ort, model, record, tensors) {
  const { height, width } = record.preprocessing;
  const session = await ort.InferenceSession.create(model);
  const rows = [];
  for (const tensor of tensors) {
    const feeds = { [session.inputNames[0]]: new ort.Tensor('uint8', tensor, [1, height, width, 3]) };
    const output = (await session.run(feeds))[session.outputNames[0]];
    rows.push(Array.from(toProbabilities(output.data, record)));
  }
  await session.release();
  return rows;
}

/**
 * `read(file)` gives a file of the golden directory; `models` maps names to bytes of .onnx files. Returns
 * { platform, vectors: [...], models: { name: { vector's name: probabilities } }, answers: { name: { vector's name:
 * labels } } }; a vector's `answer` is what the manifest's rule gives for its probabilities.
 */
export async function runPort({ read, models, ort, platform }) {
  const manifest = await readManifest(read);
  const rows = [];
  for (const vector of manifest.vectors) rows.push(await checkVector(vector, manifest, read, platform));
  const decoded = rows.filter((row) => row.tensor);
  const [answered, decided] = [{}, {}];
  for (const [name, bytes] of Object.entries(models)) {
    const record = readRecord(bytes);
    const found = await answers(ort, bytes, record, decoded.map((row) => row.tensor));
    answered[name] = Object.fromEntries(decoded.map((row, i) => [row.name, found[i]]));
    decided[name] = Object.fromEntries(decoded.map((row, i) => [row.name, decide(record.decision, found[i], record.labels)]));
  }
  return { platform: platform.name, vectors: rows.map(({ tensor, ...row }) => row), models: answered, answers: decided };
}
