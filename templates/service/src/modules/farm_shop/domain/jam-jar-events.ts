/** The facts that a jam jar records. `persistence/jam-jar-event-messages.ts` turns them into the messages that are stored. */
export type JamJarEvent =
  | { readonly type: 'JamJarCreated'; readonly name: string }
  | { readonly type: 'JamJarRenamed'; readonly name: string }
  | { readonly type: 'JamJarRetired' };
