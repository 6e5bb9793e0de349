// node --test: the port in this package against the golden vectors beside it. With the npm package sharp installed the
// photos are decoded too; without it, PNG and BMP are, and the others start from Python's pixels.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { checkGolden, readRecord } from '../src/index.mjs';
import { nodePlatform } from '../src/platform_node.mjs';

const load = async (path) => new Uint8Array(await readFile(new URL(`../${path}`, import.meta.url)));
const sharp = await import('sharp').then((module) => module.default, () => null);

test('every golden vector gives its tensor and its answer', async (t) => {
  const { count, unproven, inexact, wrong } = await checkGolden((file) => load(`golden/${file}`), nodePlatform(sharp));
  assert.deepEqual(wrong, []);
  assert.deepEqual(inexact, []);
  assert.deepEqual(unproven, []);
  t.diagnostic(`${count} of ${count} vectors give Python's tensors and answers, ${sharp ? 'decoded by sharp' : 'without sharp'}`);
});

test('the model is the one that the vectors are of', async () => {
  const { name } = JSON.parse(new TextDecoder().decode(await load('model/model.json')));
  const manifest = JSON.parse(new TextDecoder().decode(await load('golden/manifest.json')));
  const record = readRecord(await load(`model/${name}`));
  assert.deepEqual(record.labels, manifest.labels);
  assert.deepEqual(record.preprocessing, manifest.preprocessing);
  assert.equal(manifest.artifact.file, name);
});
