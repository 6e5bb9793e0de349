// What a .tflite says of itself, without a FlatBuffers library. Runs anywhere.
// Source: TensorFlow's schema.fbs; the numbers are those of its fields.
import { decodeUtf8 } from './utf8.mjs';

const [SUBGRAPHS, BUFFERS, METADATA] = [2, 4, 6];
const UINT8 = 3;

/** Whether bytes are a .tflite. */
export function isTflite(bytes) {
  return decodeUtf8(bytes.subarray(4, 8).map((byte) => byte & 127)) === 'TFL3';
}

/** A cursor over tables; what points out of the file is a RangeError. */
class Flatbuffer {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  follow(at) {
    return at + this.view.getUint32(at, true);
  }

  /** Where a field of a table is; 0 where it is absent. */
  field(table, slot) {
    const vtable = table - this.view.getInt32(table, true);
    if (4 + 2 * slot + 2 > this.view.getUint16(vtable, true)) return 0;
    const offset = this.view.getUint16(vtable + 4 + 2 * slot, true);
    return offset === 0 ? 0 : table + offset;
  }

  int(table, slot, bytes = 4) {
    const at = this.field(table, slot);
    if (at === 0) return 0;
    return bytes === 1 ? this.view.getInt8(at) : this.view.getInt32(at, true);
  }

  vector(table, slot, itemBytes) {
    const field = this.field(table, slot);
    if (field === 0) return { start: 0, count: 0 };
    const at = this.follow(field);
    const count = this.view.getUint32(at, true);
    if (count * itemBytes > this.bytes.length - at - 4) throw new RangeError(`${count} items at ${at}`);
    return { start: at + 4, count };
  }

  tables(table, slot) {
    const { start, count } = this.vector(table, slot, 4);
    return Array.from({ length: count }, (_, i) => this.follow(start + 4 * i));
  }

  slice(table, slot) {
    const { start, count } = this.vector(table, slot, 1);
    return this.bytes.subarray(start, start + count);
  }
}

/** The text of the metadata called `name`, or null; a damaged file throws. */
export function tfliteMetadata(bytes, name) {
  const flat = new Flatbuffer(bytes);
  const model = flat.follow(0);
  const entry = flat.tables(model, METADATA).find((one) => decodeUtf8(flat.slice(one, 0)) === name);
  if (entry === undefined) return null;
  const buffer = flat.tables(model, BUFFERS)[flat.int(entry, 1)];
  if (buffer === undefined) throw new RangeError('its metadata names a buffer that it has not');
  return decodeUtf8(flat.slice(buffer, 0));
}

/** Scale and zero point of the first output where it is uint8; null where it is not. */
export function tfliteOutputScale(bytes) {
  const flat = new Flatbuffer(bytes);
  const [graph] = flat.tables(flat.follow(0), SUBGRAPHS);
  const outputs = flat.vector(graph, 2, 4);
  const tensor = flat.tables(graph, 0)[flat.view.getInt32(outputs.start, true)];
  if (flat.int(tensor, 1, 1) !== UINT8) return null;
  const table = flat.follow(flat.field(tensor, 4));
  const [scale, zero] = [flat.vector(table, 2, 4), flat.vector(table, 3, 8)];
  return { scale: flat.view.getFloat32(scale.start, true), zero_point: flat.view.getInt32(zero.start, true) };
}
