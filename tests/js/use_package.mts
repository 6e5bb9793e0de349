// How an app in TypeScript uses the package; it is compiled, never run.
import {
  SPECIFICATION_VERSION, checkGolden, decide, decode, preprocess, readRecord, toInput, toProbabilities, uprightRgb,
} from 'classifier';
import type { ModelRecord, Platform, StoredPixels } from 'classifier';
import { platform } from 'classifier/browser';
import { nodePlatform } from 'classifier/node';

type Run = (input: Uint8Array) => Promise<Float32Array | Uint8Array>;

export async function classify(model: Uint8Array, pixels: StoredPixels, run: Run): Promise<string[]> {
  const record: ModelRecord = readRecord(model);
  const probabilities = toProbabilities(await run(preprocess(pixels, record.preprocessing)), record);
  return decide(record.decision, probabilities, record.labels);
}

const platforms: Platform[] = [platform, nodePlatform(null)];
const image = await decode(new Uint8Array(8), platforms[0]!);
const size = { height: 1, width: 1, crop: 'whole', resize: '', version: SPECIFICATION_VERSION } as const;
export const tensor: Uint8Array = toInput(uprightRgb({ ...image, layout: 'rgb' }), size);
export const wrong: string[] = (await checkGolden(async () => new Uint8Array(), platform)).wrong;
// @ts-expect-error: no such layout
uprightRgb({ width: 1, height: 1, data: new Uint8Array(3), layout: 'hsv' });
