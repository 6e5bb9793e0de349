// node run_node.mjs GOLDEN_DIR [MODEL.onnx ...]: the result as JSON on stdout.
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import ort from 'onnxruntime-node';
import sharp from 'sharp';
import { nodePlatform } from '../../edgekd/js/platform_node.mjs';
import { runPort } from './port.mjs';

const [folder, ...paths] = process.argv.slice(2);
const load = async (path) => new Uint8Array(await readFile(path));
const models = Object.fromEntries(await Promise.all(paths.map(async (path) => [basename(path), await load(path)])));
const result = await runPort({ read: (file) => load(join(folder, file)), models, ort, platform: nodePlatform(sharp) });
process.stdout.write(JSON.stringify(result));
