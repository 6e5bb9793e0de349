// UTF-8, which some engines (React Native's among them) leave to the app. Runs anywhere.

/** The text of well-formed UTF-8 bytes; anything else throws. */
export function decodeUtf8(bytes) {
  let escaped = '';
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`;
  return decodeURIComponent(escaped);
}
