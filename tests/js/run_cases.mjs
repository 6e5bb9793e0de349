// node run_cases.mjs: images on stdin as tests/c_preprocess.py encodes them, their input tensors on stdout.
import { readFileSync } from 'node:fs';
import { preprocess } from '../../edgekd/js/pixels.mjs';

const LAYOUTS = ['grey', 'grey-alpha', 'rgb', 'bgr', 'rgba', 'bgra', 'rgbx', 'bgrx', 'cmyk'];
const bytes = readFileSync(0);
const tensors = [];
for (let at = 0; at < bytes.length; ) {
  const fields = Array.from({ length: 10 }, (_, i) => bytes.readInt32LE(at + 4 * i));
  const [width, height, stride, layout, orientation, wide, high, crop, , size] = fields;
  const data = bytes.subarray(at + 40, at + 40 + size);
  const target = { width: wide, height: high, crop: ['whole', 'center'][crop], version: 1 };
  tensors.push(preprocess({ width, height, data, stride, orientation, layout: LAYOUTS[layout] }, target));
  at += 40 + size;
}
process.stdout.write(Buffer.concat(tensors));
