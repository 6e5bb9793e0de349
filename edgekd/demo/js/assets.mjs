// What the page carries: gzip in base64, in script elements that no browser runs.

/** The bytes of the element `asset-NAME`, whose text is then dropped: the largest has megabytes. */
export async function asset(name) {
  const element = document.getElementById(`asset-${name}`);
  const text = atob(element.textContent.trim());
  element.remove();
  const packed = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) packed[i] = text.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

export async function assetJson(name) {
  return JSON.parse(new TextDecoder().decode(await asset(name)));
}

/** Bytes of base64. */
export function bytesOf(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
