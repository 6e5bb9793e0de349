// Around a runtime: from an input tensor of bytes to what the file takes, and from what it gives to probabilities.
// The same arithmetic as edgekd.formats.pixels and edgekd.runtime.runner, float32 by Math.fround.

const ARRAYS = { uint8: Uint8Array, int8: Int8Array, int32: Int32Array, float32: Float32Array };
const LIMITS = { uint8: [0, 255], int8: [-128, 127] };
const { fround } = Math;

/** To the nearest integer, halves to the even one. */
function roundEven(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** What pixel values 0..255 of one channel become. */
function table(feed, channel, dtype) {
  const [scale, shift] = [fround(feed.scale[channel]), fround(feed.shift[channel])];
  return Array.from({ length: 256 }, (_, pixel) => {
    let value = fround(fround(pixel * scale) + shift);
    if (feed.quantum !== null) value = roundEven(fround(value / fround(feed.quantum))) + feed.zero_point;
    if (LIMITS[dtype]) value = Math.min(LIMITS[dtype][1], Math.max(LIMITS[dtype][0], roundEven(value)));
    return value;
  });
}

/** Fills `batch` images of the file's layout from a tensor of height x width x 3 bytes. */
function feeder({ dtype, layout, batch, feed }, { height, width }) {
  const area = height * width;
  const one = new ARRAYS[dtype](3 * area);
  const tables = feed && [0, 1, 2].map((channel) => table(feed, channel, dtype));
  const sources = feed?.channels === 'bgr' ? [2, 1, 0] : [0, 1, 2];
  const all = batch === 1 ? one : new ARRAYS[dtype](3 * area * batch);
  return (tensor) => {
    for (let c = 0; c < 3; c++) {
      const [source, values] = [sources[c], tables?.[c]];
      for (let i = 0; i < area; i++) {
        const pixel = tensor[3 * i + source];
        one[layout === 'nchw' ? c * area + i : 3 * i + c] = values ? values[pixel] : pixel;
      }
    }
    for (let n = 0; batch > 1 && n < batch; n++) all.set(one, n * one.length);
    return all;
  };
}

/** Probabilities of the first of the batch, by what the output holds. */
function readScores(values, { scale, zero_point: zero, scores, count }) {
  let row = Array.from(values.subarray(0, scores === 'logit' || scores === 'sigmoid' ? 1 : count));
  if (scores === 'ours') return Float32Array.from(row, (value) => (scale === null ? value : fround(scale) * (value - zero)));
  if (scale !== null) row = row.map((value) => (value - zero) * scale);
  if (scores === 'logits') {
    const largest = Math.max(...row);
    const powers = row.map((value) => Math.exp(value - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    row = powers.map((value) => value / sum);
  }
  if (scores === 'logit') row = row.map((value) => 1 / (1 + Math.exp(-Math.min(700, Math.max(-700, value)))));
  if (scores === 'logit' || scores === 'sigmoid') row = [1 - row[0], row[0]];
  return Float32Array.from(row);
}

/** `invoke(values, shape)` gives the values of the output; `run(tensor)` the probabilities of one photo. */
export function makeModel(invoke, { input, output, preprocessing }) {
  const { height, width } = preprocessing;
  const feed = feeder(input, preprocessing);
  const shape = input.layout === 'nchw' ? [input.batch, 3, height, width] : [input.batch, height, width, 3];
  return { run: async (tensor) => readScores(await invoke(feed(tensor), shape), output) };
}
