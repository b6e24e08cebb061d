#!/usr/bin/env node
/**
 * The program, of the sources where these are, which Node.js runs as they stand, else as `npm run build` made it for the package.
 *
 * In a folder of a service that is made with the package it is the program of that service, which knows its modules and signs with its
 * name. Generators do without: they mend what keeps a program from starting.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SOURCE = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const BUILT = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const GENERATORS = ['new', 'generate'];

/** The program of the service that the folder is in. */
function programOfService(folder) {
  const file = join(folder, 'package.json');
  const { dependencies, devDependencies } = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  if ('bicameral' in { ...dependencies, ...devDependencies })
    return ['src/main.ts', 'src/main.js'].map((path) => join(folder, path)).find((path) => existsSync(path));
  return folder === dirname(folder) ? undefined : programOfService(dirname(folder));
}

const service = GENERATORS.includes(process.argv[2] ?? '') ? undefined : programOfService(process.cwd());
// Workers and `dev` start the program that was started.
if (service) process.argv[1] = service;
await import(pathToFileURL(service ?? (existsSync(SOURCE) ? SOURCE : BUILT)).href);
