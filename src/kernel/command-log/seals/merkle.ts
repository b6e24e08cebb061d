import { hash } from 'node:crypto';

/** A record's place in the log and what it is: what one leaf of a batch's tree holds. */
export interface Seal {
  readonly sequence: number;
  readonly commandId: string;
  /** Milliseconds since the epoch, as text. */
  readonly receivedAt: string;
  /** See `recordDigest`, hexadecimal. */
  readonly digest: string;
}

/** Leaf of a sealed record (RFC 6962, 2.1): the place belongs to it, so that two records cannot change theirs. */
export function sealLeaf({ sequence, commandId, receivedAt, digest }: Seal): Buffer {
  return leafHash(JSON.stringify([sequence, commandId, receivedAt, digest]));
}

/** The zero byte tells a leaf from a node, so that no node can be passed off as a record (RFC 6962, 2.1). */
export function leafHash(entry: string): Buffer {
  return hash('sha256', `\0${entry}`, 'buffer');
}

/** Root of the tree over the leaves, in the shape of RFC 6962, 2.1: of an odd number on one level, the last goes up as it is. */
export function merkleRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return hash('sha256', '', 'buffer');
  let level = leaves;
  while (level.length > 1) level = levelAbove(level);
  return level[0] as Buffer;
}

function levelAbove(level: readonly Buffer[]): Buffer[] {
  const above: Buffer[] = [];
  for (let index = 0; index < level.length; index += 2) {
    const left = level[index] as Buffer;
    const right = level[index + 1];
    above.push(right ? nodeHash(left, right) : left);
  }
  return above;
}

const node = Buffer.alloc(65, 1);

function nodeHash(left: Buffer, right: Buffer): Buffer {
  left.copy(node, 1);
  right.copy(node, 33);
  return hash('sha256', node, 'buffer');
}
