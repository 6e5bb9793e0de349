// What LiteRT.js asks of its own loader, without a request: the parts are already in the page.
export const parts = { script: null, wasm: null };

function runScript(bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: 'text/javascript' }));
  return new Promise((resolve, reject) => {
    const element = document.createElement('script');
    element.onload = resolve;
    element.onerror = () => reject(new Error('the script of LiteRT.js did not start'));
    element.src = url;
    document.head.append(element);
  }).finally(() => URL.revokeObjectURL(url));
}

export async function createWasmLib(Library) {
  await runScript(parts.script);
  return new Library(await self.ModuleFactory({ wasmBinary: parts.wasm }));
}
