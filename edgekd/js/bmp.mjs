// The two kinds of BMP that are about: 24 bits, and 8 bits with a palette, both uncompressed.
import { requireSize } from './preprocess.mjs';

export function decodeBmp(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [start, header] = [view.getUint32(10, true), view.getUint32(14, true)];
  const [width, signed, bits] = [view.getInt32(18, true), view.getInt32(22, true), view.getUint16(28, true)];
  if (view.getUint32(30, true) !== 0 || (bits !== 8 && bits !== 24)) throw new Error(`unsupported: BMP of ${bits} bits`);
  const height = Math.abs(signed);
  requireSize(width, height);
  const stride = Math.ceil((width * bits) / 32) * 4;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    const row = start + stride * (signed > 0 ? height - 1 - y : y);
    for (let x = 0; x < width; x++, o += 3) {
      const at = bits === 24 ? row + 3 * x : 14 + header + 4 * bytes[row + x];
      [data[o], data[o + 1], data[o + 2]] = [bytes[at + 2], bytes[at + 1], bytes[at]];
    }
  }
  return { width, height, channels: 3, data };
}
