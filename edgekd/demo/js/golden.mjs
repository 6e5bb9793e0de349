// The page held against what Python made of the same photos, when it starts.
import { decide } from '../../js/decision.mjs';
import { decode } from '../../js/decode.mjs';
import { toInput } from '../../js/preprocess.mjs';
import { sha256 } from '../../js/sha256.mjs';
import { bytesOf } from './assets.mjs';

function floats(text) {
  return new Float32Array(bytesOf(text).buffer);
}

/** The input that a file's bytes become here; null where the browser does not read them. */
async function inputOf(bytes, preprocessing, platform) {
  try {
    return toInput(await decode(bytes, platform), preprocessing);
  } catch {
    return null;
  }
}

/** Python's pixels stand in for a photo that this browser does not decode to them, where the page has them. */
async function exactInput(vector, preprocessing, platform) {
  const own = await inputOf(bytesOf(vector.photo), preprocessing, platform);
  if (own && sha256(own) === vector.input) return { tensor: own, exact: true, replaced: false };
  if (vector.pixels === null) return { tensor: own, exact: false, replaced: false };
  const other = await inputOf(bytesOf(vector.pixels), preprocessing, platform);
  return { tensor: other, exact: other !== null && sha256(other) === vector.input, replaced: true };
}

async function compare(vector, model, config, platform) {
  const { tensor, exact, replaced } = await exactInput(vector, config.preprocessing, platform);
  if (!tensor) return { name: vector.name, exact, replaced, difference: null, same: false };
  const row = await model.run(tensor);
  const wanted = floats(vector.probabilities);
  let difference = 0;
  row.forEach((value, i) => { difference = Math.max(difference, Math.abs(value - wanted[i])); });
  const answer = decide(config.decision, row, config.labels);
  const sameAnswer = JSON.stringify(answer) === JSON.stringify(vector.answer);
  return { name: vector.name, exact, replaced, difference, same: sameAnswer && difference <= config.tolerance };
}

/** `progress(done, count)` is called after each; the result is { count, same, exact, replaced, different, largest }. */
export async function checkGolden(vectors, model, config, platform, progress) {
  const rows = [];
  for (const vector of vectors) {
    rows.push(await compare(vector, model, config, platform));
    progress(rows.length, vectors.length);
  }
  const names = (test) => rows.filter(test).map((row) => row.name);
  return {
    count: rows.length,
    same: rows.filter((row) => row.same).length,
    exact: rows.filter((row) => row.exact && !row.replaced).length,
    replaced: names((row) => row.replaced),
    inexact: names((row) => !row.exact),
    different: names((row) => !row.same),
    largest: rows.reduce((most, row) => Math.max(most, row.difference ?? 0), 0),
  };
}
