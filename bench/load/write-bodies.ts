/** The thread that writes the files of `startChangingFiles`. */
import { openSync, writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { digits } from './bodies.ts';
import type { ChangingFilesOptions } from './changing-files.ts';

const { files, body, users, firstSerial, everyMs } = workerData as ChangingFilesOptions;
// A Buffer arrives in another thread as a plain Uint8Array.
const bytes = Buffer.from(body.bytes);
const { userAt, serialAt } = body;
const handles = files.map((file) => openSync(file, 'w'));
const usersOfAFile = Math.floor(users / handles.length);
let serial = firstSerial;

function writeAll(): void {
  for (const [index, handle] of handles.entries()) {
    const user = index + handles.length * Math.floor(Math.random() * usersOfAFile);
    if (userAt !== undefined) bytes.write(digits(user), userAt, 'latin1');
    if (serialAt !== undefined) bytes.write(digits(serial), serialAt, 'latin1');
    serial += 1;
    writeSync(handle, bytes, 0, bytes.length, 0);
  }
}

writeAll();
const timer = setInterval(writeAll, everyMs);
parentPort?.once('message', () => {
  clearInterval(timer);
  parentPort?.postMessage(serial - firstSerial);
});
parentPort?.postMessage('started');
