/**
 * Loaded before a program that a test starts (`node --import`). The program's standard input is a pipe from the test: it closes
 * when the test's process is gone, whatever ended that, and the program then stops as if told to.
 */
process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.resume();
// Does not keep a program running that is done.
process.stdin.unref();
