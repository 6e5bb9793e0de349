// What a file of edgekd says of itself: labels, preprocessing, decision. Runs anywhere.
import { onnxMetadata } from './onnx.mjs';
import { sha256 } from './sha256.mjs';
import { isTflite, tfliteMetadata, tfliteOutputScale } from './tflite.mjs';

const SCHEMA = 1;
const SEAL = '"seal":"';
const SEAL_LENGTH = 64;
// Bytes of an .onnx's output are those of a softmax or of sigmoids: 256 steps from 0 to 1.
const ONNX_SCALE = { scale: 1 / 256, zero_point: 0 };
const { fround } = Math;

/** Where the hash stands that a file carries of itself, or -1. */
function findSeal(bytes) {
  const wanted = Array.from(SEAL, (letter) => letter.charCodeAt(0));
  for (let at = bytes.indexOf(wanted[0]); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, i) => bytes[at + i] === byte)) return at + wanted.length;
  }
  return -1;
}

/** Whether a file's bytes are those that were exported: the hash is taken with zeros in its own place. */
function isWhole(bytes) {
  const at = findSeal(bytes);
  if (at < 0 || at + SEAL_LENGTH > bytes.length) return false;
  const blank = bytes.slice();
  blank.fill('0'.charCodeAt(0), at, at + SEAL_LENGTH);
  return sha256(blank) === String.fromCharCode(...bytes.subarray(at, at + SEAL_LENGTH));
}

function readMetadata(bytes) {
  try {
    return isTflite(bytes) ? tfliteMetadata(bytes, 'EDGEKD') : onnxMetadata(bytes, 'edgekd');
  } catch (error) {
    throw new Error(`the model is damaged (${error.message}): copy it again, or export it again`);
  }
}

/**
 * The record that edgekd wrote into a .tflite or .onnx: labels, preprocessing, decision and more; `output_scale` is how
 * bytes of the output become probabilities. Throws where the file is damaged or another tool's.
 */
export function readRecord(bytes) {
  const text = readMetadata(bytes);
  if (text === null) throw new Error("the model carries no record of edgekd: it is another tool's");
  if (!isWhole(bytes)) throw new Error('the model is damaged or edited since its export: copy it again, or export it again');
  const record = JSON.parse(text);
  if (record.schema !== SCHEMA) throw new Error('the model was written by another version of edgekd: export it again');
  return { ...record, output_scale: isTflite(bytes) ? tfliteOutputScale(bytes) : ONNX_SCALE };
}

/** Probabilities as float32 from what a model gives: float32 already, or bytes, of which `output_scale` says the steps. */
export function toProbabilities(output, { output_scale: bytes, labels }) {
  if (output.length !== labels.length) throw new Error(`the model gave ${output.length} numbers for ${labels.length} labels`);
  if (output instanceof Float32Array) return output;
  return Float32Array.from(output, (value) => fround(bytes.scale) * (value - bytes.zero_point));
}
