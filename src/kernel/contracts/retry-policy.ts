/**
 * How clients send a call again: the numbers of the published service config, and of `bicameral/client`. Pauses are in milliseconds. At most
 * five tries are made by any client of gRPC (gRFC A6).
 */
export const RETRY_POLICY = { tries: 4, firstPause: 200, longestPause: 2000, factor: 2 } as const;

/**
 * A service that is down for long is not asked four times by everybody (gRFC A6, throttling): each failure takes one token, each success
 * gives back this part of one, and no call is sent again while no more than half of the tokens are left.
 */
export const RETRY_THROTTLING = { maxTokens: 100, tokenRatio: 0.1 } as const;
