// The port held against a directory of golden vectors, and models run on what it makes. Runs anywhere.
import { decide } from '../../edgekd/js/decision.mjs';
import { decode } from '../../edgekd/js/decode.mjs';
import { toInput } from '../../edgekd/js/preprocess.mjs';
import { readRecord } from '../../edgekd/js/record.mjs';
import { sha256 } from '../../edgekd/js/sha256.mjs';

const UNSUPPORTED = /^unsupported: /;

function largestDifference(found, wanted) {
  if (found.length !== wanted.length) return 255;
  let largest = 0;
  for (let i = 0; i < found.length; i++) largest = Math.max(largest, Math.abs(found[i] - wanted[i]));
  return largest;
}

async function one(vector, manifest, read, platform) {
  const row = { name: vector.name, kind: vector.kind, pixels: false, input: false, difference: null, unsupported: null };
  const probabilities = (await read(vector.probabilities.file)).slice();
  row.answer = decide(manifest.decision, new Float32Array(probabilities.buffer), manifest.labels);
  const bytes = await read(vector.photo.file);
  if (sha256(bytes) !== vector.photo.sha256) throw new Error(`${vector.photo.file} is damaged`);
  let image;
  try {
    image = await decode(bytes, platform);
  } catch (error) {
    if (!UNSUPPORTED.test(error.message)) throw new Error(`${vector.name}: ${error.stack}`);
    return { ...row, unsupported: error.message.replace(UNSUPPORTED, '') };
  }
  const { width, height, sha256: wanted } = vector.pixels;
  row.pixels = image.width === width && image.height === height && sha256(image.data) === wanted;
  const tensor = toInput(image, manifest.preprocessing);
  row.input = sha256(tensor) === vector.input.sha256;
  row.difference = row.input ? 0 : largestDifference(tensor, await read(vector.input.file));
  return { ...row, tensor };
}

/** Probabilities of every tensor by one model, in the given onnxruntime. */
async function answers(ort, model, tensors, { height, width }) {
  const session = await ort.InferenceSession.create(model);
  const rows = [];
  for (const tensor of tensors) {
    const feeds = { [session.inputNames[0]]: new ort.Tensor('uint8', tensor, [1, height, width, 3]) };
    const output = (await session.run(feeds))[session.outputNames[0]];
    // Of a file that gives integers, 256 steps from 0 to 1.
    const step = output.type === 'uint8' ? 1 / 256 : 1;
    rows.push(Array.from(output.data, (value) => value * step));
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
  const manifest = JSON.parse(new TextDecoder().decode(await read('manifest.json')));
  const rows = [];
  for (const vector of manifest.vectors) rows.push(await one(vector, manifest, read, platform));
  const decoded = rows.filter((row) => row.tensor);
  const [answered, decided] = [{}, {}];
  for (const [name, bytes] of Object.entries(models)) {
    const found = await answers(ort, bytes, decoded.map((row) => row.tensor), manifest.preprocessing);
    answered[name] = Object.fromEntries(decoded.map((row, i) => [row.name, found[i]]));
    const { labels, decision } = readRecord(bytes);
    decided[name] = Object.fromEntries(decoded.map((row, i) => [row.name, decide(decision, found[i], labels)]));
  }
  return { platform: platform.name, vectors: rows.map(({ tensor, ...row }) => row), models: answered, answers: decided };
}
