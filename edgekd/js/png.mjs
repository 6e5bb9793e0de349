// PNG by hand: a canvas keeps 8 bits and premultiplies, so it can't give these pixels. Steps 2 a to 2 c.
import { pngChunks } from './containers.mjs';
import { requireSize } from './preprocess.mjs';

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const WHOLE = [[0, 0, 1, 1]];
const ADAM7 = [[0, 0, 8, 8], [0, 4, 8, 8], [4, 0, 8, 4], [0, 2, 4, 4], [2, 0, 4, 2], [0, 1, 2, 2], [1, 0, 2, 1]];

function paeth(a, b, c) {
  const p = a + b - c;
  const [pa, pb, pc] = [Math.abs(p - a), Math.abs(p - b), Math.abs(p - c)];
  return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/** Undo a row's filter in place; `above` is the row before it, or zeros. */
function unfilter(type, row, above, step) {
  for (let i = 0; i < row.length; i++) {
    const left = i >= step ? row[i - step] : 0;
    const corner = i >= step ? above[i - step] : 0;
    if (type === 1) row[i] += left;
    else if (type === 2) row[i] += above[i];
    else if (type === 3) row[i] += (left + above[i]) >> 1;
    else if (type === 4) row[i] += paeth(left, above[i], corner);
  }
}

/** All samples as stored, of 1 to 16 bits: Uint16Array of height x width x channels. */
function samplesOf(raw, { width, height, bits, channels, interlaced }) {
  const samples = new Uint16Array(width * height * channels);
  let at = 0;
  for (const [top, left, down, right] of interlaced ? ADAM7 : WHOLE) {
    const [w, h] = [Math.ceil((width - left) / right), Math.ceil((height - top) / down)];
    if (w <= 0 || h <= 0) continue;
    const length = Math.ceil((w * channels * bits) / 8);
    let above = new Uint8Array(length);
    for (let y = 0; y < h; y++, at += 1 + length) {
      const row = raw.slice(at + 1, at + 1 + length);
      unfilter(raw[at], row, above, Math.max(1, (channels * bits) >> 3));
      above = row;
      for (let i = 0; i < w * channels; i++) {
        const bit = i * bits;
        const value = bits === 16 ? (row[2 * i] << 8) | row[2 * i + 1]
          : (row[bit >> 3] >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
        const x = left + right * Math.floor(i / channels);
        samples[((top + down * y) * width + x) * channels + (i % channels)] = value;
      }
    }
  }
  return samples;
}

function equalsKey(samples, at, key, channels, bits) {
  for (let c = 0; c < channels; c++) {
    const wanted = (key[2 * c] << 8) | key[2 * c + 1];
    const deepColour = bits === 16 && channels === 3;
    if (deepColour ? samples[at + c] >> 8 !== wanted >> 8 : samples[at + c] !== wanted) return false;
  }
  return true;
}

function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A PNG as 8-bit RGBA, not premultiplied. `inflate` undoes zlib. */
export async function decodePng(bytes, inflate) {
  const chunks = [...pngChunks(bytes)];
  const find = (name) => chunks.find((chunk) => chunk.name === name)?.data;
  const head = find('IHDR');
  const view = new DataView(head.buffer, head.byteOffset);
  const [width, height, bits, colour] = [view.getUint32(0), view.getUint32(4), head[8], head[9]];
  requireSize(width, height);
  const channels = CHANNELS[colour];
  const parts = chunks.filter((chunk) => chunk.name === 'IDAT').map((chunk) => chunk.data);
  const raw = await inflate(join(parts));
  const samples = samplesOf(raw, { width, height, bits, channels, interlaced: head[12] === 1 });
  const [palette, key] = [find('PLTE'), find('tRNS')];
  const to8 = (value) => (bits === 16 ? value >> 8 : value * { 1: 255, 2: 85, 4: 17, 8: 1 }[bits]);
  const data = new Uint8Array(width * height * 4);
  for (let i = 0, o = 0, s = 0; i < width * height; i++, o += 4, s += channels) {
    data[o + 3] = 255;
    if (colour === 3) {
      data.set(palette.subarray(3 * samples[s], 3 * samples[s] + 3), o);
      if (key && samples[s] < key.length) data[o + 3] = key[samples[s]];
      continue;
    }
    for (let c = 0; c < 3; c++) data[o + c] = to8(samples[s + (channels >= 3 ? c : 0)]);
    if (channels === 2 || channels === 4) data[o + 3] = to8(samples[s + channels - 1]);
    else if (key && equalsKey(samples, s, key, channels, bits)) data[o + 3] = 0;
  }
  return { width, height, channels: 4, data };
}
