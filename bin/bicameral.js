#!/usr/bin/env node
/** The program, of the sources where these are, which Node.js runs as they stand, else as `npm run build` made it for the package. */
import { existsSync } from 'node:fs';

const SOURCE = new URL('../src/main.ts', import.meta.url);
const BUILT = new URL('../dist/main.js', import.meta.url);
await import((existsSync(SOURCE) ? SOURCE : BUILT).href);
