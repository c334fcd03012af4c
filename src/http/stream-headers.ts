/** The headers of a stream, which fastify-sse-v2 sets itself: for the answer to HEAD. Fastify's own would open a stream. */
export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache,no-transform',
  'x-accel-buffering': 'no',
};
