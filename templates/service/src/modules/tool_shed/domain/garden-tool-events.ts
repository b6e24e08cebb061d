/** Facts a garden tool records; `persistence/garden-tool-event-messages.ts` turns them into the messages that are stored. */
export type GardenToolEvent =
  | { readonly type: 'GardenToolCreated'; readonly name: string }
  | { readonly type: 'GardenToolRenamed'; readonly name: string }
  | { readonly type: 'GardenToolRetired' };
