import type { Principal } from '../../../kernel/bus/principal.ts';
import type { Shown } from '../read-model/feed-event.ts';

/** How much of each event the caller is shown. */
export const shownTo = ({ permissions }: Principal, { includeJson }: { readonly includeJson: boolean }): Shown => ({
  personal: permissions.has('events.personal'),
  json: includeJson,
});
