// The package's door: everything here runs anywhere, without a DOM and without Node.
export { decide } from './decision.mjs';
export { decode } from './decode.mjs';
export { checkGolden } from './golden.mjs';
export { preprocess, uprightRgb } from './pixels.mjs';
export { SPECIFICATION_VERSION, toInput } from './preprocess.mjs';
export { readRecord, toProbabilities } from './record.mjs';
