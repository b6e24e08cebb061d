import { hash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { leafHash, merkleRoot, sealLeaf } from '../../../../src/kernel/command-log/seals/merkle.ts';

describe('merkle tree', () => {
  it('has the roots of the test vectors of Certificate Transparency', () => {
    // https://github.com/google/certificate-transparency: cpp/merkletree/merkle_tree_test.cc
    const entries = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'];
    const leaves = entries.map((hex) => leafHash(Buffer.from(hex, 'hex').toString('latin1')));
    const roots = leaves.map((_, index) => merkleRoot(leaves.slice(0, index + 1)).toString('hex'));
    expect(roots).toEqual([
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
      'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
      '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
      'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
      '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
    ]);
  });

  it('of nothing is the hash of nothing', () => {
    expect(merkleRoot([])).toEqual(hash('sha256', '', 'buffer'));
  });

  it('changes with each part of a seal', () => {
    const seal = {
      sequence: 7,
      commandId: '0190a0a0-0000-7000-8000-000000000001',
      receivedAt: '1764000000000',
      digest: 'ab'.repeat(32),
    };
    const others = [
      { ...seal, sequence: 8 },
      { ...seal, commandId: '0190a0a0-0000-7000-8000-000000000002' },
      { ...seal, receivedAt: '1764000000001' },
      { ...seal, digest: 'ac'.repeat(32) },
    ];
    for (const other of others) expect(sealLeaf(other)).not.toEqual(sealLeaf(seal));
    expect(sealLeaf({ ...seal })).toEqual(sealLeaf(seal));
  });
});
