// SHA-256 where crypto.subtle is missing: browsers give it to secure pages alone. Source: FIPS 180-4.

/** The first 32 bits of the fractional part of a root, of the first `count` primes. */
function fractions(count, root) {
  const found = [];
  for (let n = 2; found.length < count; n++) {
    if (!found.some(([prime]) => n % prime === 0)) found.push([n, (root(n) % 1) * 2 ** 32]);
  }
  return Uint32Array.from(found, ([, value]) => value);
}

const START = fractions(8, Math.sqrt);
const ROUNDS = fractions(64, Math.cbrt);
const rotate = (x, n) => (x >>> n) | (x << (32 - n));

function mix(state, view, at, w) {
  for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [w[i - 15], w[i - 2]];
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUNDS[i] + w[i]) | 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((value, i) => { state[i] += value; });
}

/** The digest of a Uint8Array in hexadecimal. */
export function sha256(bytes) {
  const padded = new Uint8Array(64 * Math.ceil((bytes.length + 9) / 64));
  padded.set(bytes);
  padded[bytes.length] = 128;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const [state, w] = [START.slice(), new Uint32Array(64)];
  for (let at = 0; at < padded.length; at += 64) mix(state, view, at, w);
  return [...state].map((word) => word.toString(16).padStart(8, '0')).join('');
}
