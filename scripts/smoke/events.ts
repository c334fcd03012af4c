export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/** The events of a live stream as they come, without comments, ids and retry times. Lines end in `\n`, as ours do. */
export async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerSentEvent, void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const [, name] = /^event: ?(.*)$/m.exec(block) ?? [];
      const [, data = ''] = /^data: ?(.*)$/m.exec(block) ?? [];
      if (name !== undefined) yield { name, data };
    }
  }
}
