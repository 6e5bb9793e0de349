// What an .onnx says of itself, without a protocol buffers library. Runs anywhere.
// Source: the protocol buffers encoding, and onnx.proto: metadata_props is field 14, its key and value are 1 and 2.
import { decodeUtf8 } from './utf8.mjs';

const METADATA_PROPS = 14;
const BYTES = 2;

/** Fields [number, bytes] of a message that are bytes themselves; others are skipped. */
function* byteFields(message) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      if (at >= message.length || factor > 2 ** 56) throw new RangeError('a number has no end');
      const byte = message[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = number();
    const kind = tag % 8;
    if (kind === 0) number();
    else if (kind === 1 || kind === 5) at += kind === 1 ? 8 : 4;
    else if (kind === BYTES) {
      const size = number();
      if (size > message.length - at) throw new RangeError('it is cut short');
      yield [Math.floor(tag / 8), message.subarray(at, at + size)];
      at += size;
    } else throw new RangeError(`a field is of kind ${kind}`);
  }
}

/** The text of the metadata called `name`, or null; a damaged file throws. */
export function onnxMetadata(bytes, name) {
  for (const [number, entry] of byteFields(bytes)) {
    if (number !== METADATA_PROPS) continue;
    const { 1: key, 2: value } = Object.fromEntries(byteFields(entry));
    if (decodeUtf8(key) === name) return decodeUtf8(value);
  }
  return null;
}
