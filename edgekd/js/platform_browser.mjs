// A browser's side: its own decoders, asked not to convert colours or to premultiply.
import { exifBlock } from './containers.mjs';
import { requireSize } from './preprocess.mjs';

const TYPES = { jpeg: 'image/jpeg', webp: 'image/webp', gif: 'image/gif' };
const AS_STORED = { colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** RGBA of an opaque photo, by a canvas, which would premultiply any other. */
async function byCanvas(bytes, type) {
  const bitmap = await createImageBitmap(new Blob([bytes], { type }), AS_STORED);
  const { width, height } = bitmap;
  requireSize(width, height);
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  return { width, height, model: 'rgba', data: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer) };
}

/**
 * RGBA by ImageDecoder, which keeps what is under the alpha; null for YCbCr, which it would enlarge unsmoothed, and where
 * the browser has none or gives it to secure pages alone.
 */
async function byImageDecoder(bytes, type) {
  if (!globalThis.ImageDecoder) return null;
  const { image } = await new ImageDecoder({ data: bytes, type, colorSpaceConversion: 'none' }).decode();
  try {
    if (/^I4..$/.test(image.format)) return null;
    if (!/^(BGR|RGB)[AX]$/.test(image.format)) throw new Error(`unsupported: pixels given as ${image.format}`);
    const { width, height } = image.visibleRect;
    requireSize(width, height);
    const data = new Uint8Array(4 * width * height);
    await image.copyTo(data, { format: 'RGBA' });
    return { width, height, model: 'rgba', data };
  } finally {
    image.close();
  }
}

export const platform = {
  name: navigator.userAgent.match(/(?:Headless)?(?:Chrome|Firefox)\/[\d.]+/)?.[0] ?? navigator.userAgent,
  inflate,
  async decode(bytes, kind) {
    const type = TYPES[kind];
    if (!type) throw new Error(`unsupported: a browser reads no ${kind}`);
    // A browser turns by most Exif orientations, whatever it is asked; without the block it turns by none.
    const plain = bytes.slice();
    exifBlock(plain, kind)?.fill(0);
    return (kind !== 'jpeg' && (await byImageDecoder(plain, type))) || byCanvas(plain, type);
  },
};
