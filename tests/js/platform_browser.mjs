// A browser's side: its own decoders, by ImageDecoder, whose pixels are not premultiplied as a canvas's are.

const TYPES = { jpeg: 'image/jpeg', webp: 'image/webp', gif: 'image/gif' };

async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export const platform = {
  name: navigator.userAgent.replace(/.*(HeadlessChrome|Chrome|Firefox)\//, '$1 ').split(' ').slice(0, 2).join(' '),
  inflate,
  async decode(bytes, kind) {
    if (!TYPES[kind]) throw new Error(`unsupported: a browser reads no ${kind}`);
    const decoder = new ImageDecoder({ data: bytes, type: TYPES[kind], colorSpaceConversion: 'none' });
    const { image } = await decoder.decode();
    console.log(image.format, image.rotation, image.flip);
    const data = new Uint8Array(image.allocationSize({ format: 'RGBA' }));
    await image.copyTo(data, { format: 'RGBA' });
    const { width, height } = image.visibleRect;
    image.close();
    return { width, height, model: 'rgba', data };
  },
};
