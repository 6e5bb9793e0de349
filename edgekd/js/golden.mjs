// A directory of golden vectors, read again by this port. Runs anywhere.
import { decide } from './decision.mjs';
import { decode } from './decode.mjs';
import { toInput } from './preprocess.mjs';
import { sha256 } from './sha256.mjs';
import { decodeUtf8 } from './utf8.mjs';

const UNSUPPORTED = /^unsupported: /;

function largestDifference(found, wanted) {
  if (found.length !== wanted.length) return 255;
  let largest = 0;
  for (let i = 0; i < found.length; i++) largest = Math.max(largest, Math.abs(found[i] - wanted[i]));
  return largest;
}

/** Whether Python's pixels become Python's tensor here; null where the directory has their hash alone. */
async function checkResize({ pixels, input }, { preprocessing }, read) {
  if (pixels.file === null) return null;
  const image = { width: pixels.width, height: pixels.height, channels: 3, data: await read(pixels.file) };
  return sha256(toInput(image, preprocessing)) === input.sha256;
}

/**
 * One vector: `resized` says whether Python's pixels become its tensor (null: not in the directory), `pixels` and `input`
 * whether the photo, decoded here, does, and `answer` what the manifest's rule gives for the manifest's probabilities.
 */
export async function checkVector(vector, manifest, read, platform) {
  const probabilities = (await read(vector.probabilities.file)).slice();
  const answer = decide(manifest.decision, new Float32Array(probabilities.buffer), manifest.labels);
  const resized = await checkResize(vector, manifest, read);
  const { name, kind } = vector;
  const row = { name, kind, answer, resized, pixels: false, input: false, difference: null, unsupported: null };
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

/** The manifest of a directory, by `read(file)`, which gives the bytes of one. */
export async function readManifest(read) {
  return JSON.parse(decodeUtf8(await read('manifest.json')));
}

/** Every vector of a directory: { count, unproven, wrong } with names; unproven ones could not be tried here. */
export async function checkGolden(read, platform) {
  const manifest = await readManifest(read);
  const result = { count: manifest.vectors.length, unproven: [], inexact: [], wrong: [] };
  for (const vector of manifest.vectors) {
    const row = await checkVector(vector, manifest, read, platform);
    const isRightAnswer = JSON.stringify(row.answer) === JSON.stringify(vector.answer);
    // Pixels that are Python's must give its tensor, whoever decoded them.
    if (!isRightAnswer || row.resized === false || (row.pixels && !row.input)) result.wrong.push(row.name);
    else if (!row.unsupported && !row.input) result.inexact.push(row.name);
    else if (row.unsupported && row.resized === null) result.unproven.push(row.name);
  }
  return result;
}
