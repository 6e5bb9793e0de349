// What a photo's file is, and where in it the Exif block stands.

const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, to));

/** Step 1: the format by content. */
export function kindOf(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return 'jpeg';
  if (ascii(bytes, 1, 4) === 'PNG') return 'png';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'webp';
  if (ascii(bytes, 0, 2) === 'BM') return 'bmp';
  if (ascii(bytes, 0, 3) === 'GIF') return 'gif';
  if (['II*\0', 'MM\0*'].includes(ascii(bytes, 0, 4))) return 'tiff';
  throw new Error('not a photo of a known format');
}

/** The chunks of a PNG as { name, data }. */
export function* pngChunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    yield { name: ascii(bytes, at + 4, at + 8), data: bytes.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
}

function jpegExif(bytes) {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xda || marker === 0xd9) return null;
    const length = (bytes[at + 2] << 8) | bytes[at + 3];
    if (marker === 0xe1 && ascii(bytes, at + 4, at + 10) === 'Exif\0\0') return bytes.subarray(at + 10, at + 2 + length);
    at += 2 + length;
  }
  return null;
}

function webpExif(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    if (ascii(bytes, at, at + 4) === 'EXIF') return bytes.subarray(at + 8, at + 8 + length);
    at += 8 + length + (length & 1);
  }
  return null;
}

/** The TIFF structure that holds a photo's orientation, or null. */
export function exifBlock(bytes, kind) {
  if (kind === 'tiff') return bytes;
  let block = null;
  if (kind === 'jpeg') block = jpegExif(bytes);
  if (kind === 'webp') block = webpExif(bytes);
  if (kind === 'png') for (const chunk of pngChunks(bytes)) if (chunk.name === 'eXIf') block = chunk.data;
  return block && ascii(block, 0, 6) === 'Exif\0\0' ? block.subarray(6) : block;
}
