/** What can be ordered. Orders refer to it and change nothing of it. */
export class Product {
  readonly id: string;
  readonly name: string;
  readonly priceCents: bigint;

  constructor(id: string, name: string, priceCents: bigint) {
    this.id = id;
    this.name = name;
    this.priceCents = priceCents;
  }
}
