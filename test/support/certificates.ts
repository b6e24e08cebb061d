import { generate } from 'selfsigned';

interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

type KeyType = 'ec' | 'rsa';

/** A CA with a certificate for a server at 127.0.0.1 and one for a client, and a client of another CA. */
export async function certificates({ keyType = 'ec' }: { keyType?: KeyType } = {}): Promise<{
  ca: Buffer;
  server: Certificate;
  client: Certificate;
  stranger: Certificate;
}> {
  const ours = await authority('Test CA', keyType);
  const other = await authority('Other CA', keyType);
  return {
    ca: Buffer.from(ours.cert),
    server: await signed('127.0.0.1', ours, keyType),
    client: await signed('client', ours, keyType),
    stranger: await signed('stranger', other, keyType),
  };
}

function authority(name: string, keyType: KeyType) {
  const extensions = [
    { name: 'basicConstraints' as const, cA: true, critical: true },
    { name: 'keyUsage' as const, keyCertSign: true, digitalSignature: true, critical: true },
  ];
  return generate([{ name: 'commonName', value: name }], { keyType, algorithm: 'sha256', extensions });
}

async function signed(name: string, ca: { cert: string; private: string }, keyType: KeyType): Promise<Certificate> {
  const altNames = [
    { type: 7 as const, ip: '127.0.0.1' },
    { type: 2 as const, value: 'localhost' },
  ];
  const extensions = [{ name: 'subjectAltName' as const, altNames }];
  const pem = await generate([{ name: 'commonName', value: name }], {
    keyType,
    algorithm: 'sha256',
    extensions,
    ca: { cert: ca.cert, key: ca.private },
  });
  return { cert: Buffer.from(pem.cert), key: Buffer.from(pem.private) };
}
