// Runs a WASI program under Node and ends with its exit status: the runner of `cargo test --target wasm32-wasip1`.
import { readFile } from 'node:fs/promises';
import { argv, exit } from 'node:process';

// Node calls its WASI experimental, on every start.
process.removeAllListeners('warning');
const { WASI } = await import('node:wasi');

const wasi = new WASI({ version: 'preview1', args: argv.slice(2), env: {}, preopens: {}, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(argv[2]));
exit(wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject())));
