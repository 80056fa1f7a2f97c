/** The contestants of each path, and the octets they work on. */

import { ReferenceCore, WasmCore, type Core } from '../../bindings/core.ts';
import { checkCommandReaders, checkDataReaders, checkHeaderReaders, checkHostReaders } from './agreement.ts';
import { BestCommands } from './best-commands.ts';
import { BestData, NativeSearch } from './best-data.ts';
import { BestHeaders } from './best-headers.ts';
import { PatternHosts } from './best-hosts.ts';
import { CoreCommands, CoreData, CoreHeaders, CoreHosts } from './core-contestants.ts';
import { LineLoopCommands, LineLoopData, LineLoopHeaders } from './peers-line-loop.ts';
import { MailsplitReader } from './peers-mailsplit.ts';
import { SmtpServerCommands, SmtpServerData } from './peers-smtp-server.ts';
import { makeCommands, makeHeader, makeNewsletter, makeStuffedText, makeText, SIZES } from './samples.ts';
import type { TimedCall } from './timing.ts';
import type { MICRO_PATHS } from './options.ts';

/** A group of calls that do the same work on the same octets. */
export interface Contest {
  readonly path: (typeof MICRO_PATHS)[number];
  readonly octets: number;
  readonly items: number;
  readonly calls: readonly TimedCall[];
}

/** A name in the tables that is no contestant: the same octets, copied once. */
export const MEMCPY = 'memcpy';

/** Every contestant, checked against the others. */
export class Field {
  readonly #data;
  readonly #commands;
  readonly #headers;
  readonly #hosts;

  /** One compiled core does for all: each takes about 10 GiB of address space. */
  constructor(wasm: Core = new WasmCore(), reference: Core = new ReferenceCore()) {
    const cores = [wasm, reference];
    this.#data = [
      ...cores.map((core) => new CoreData(core)),
      new BestData(),
      new NativeSearch(),
      new SmtpServerData(),
      new LineLoopData(),
    ];
    this.#commands = [
      ...cores.map((core) => new CoreCommands(core)),
      new BestCommands(),
      new SmtpServerCommands(),
      new LineLoopCommands(),
    ];
    this.#headers = [
      ...cores.map((core) => new CoreHeaders(core)),
      new BestHeaders(),
      new MailsplitReader(),
      new LineLoopHeaders(),
    ];
    this.#hosts = [...cores.map((core) => new CoreHosts(core)), new PatternHosts()];
  }

  /** Throws a `DisagreementError` unless all give the same answers. */
  async check(): Promise<void> {
    await checkDataReaders(this.#data);
    checkCommandReaders(this.#commands);
    checkHeaderReaders(this.#headers);
    checkHostReaders(this.#hosts);
  }

  /** Names and ways, for the report. */
  describe(): readonly { readonly path: string; readonly name: string; readonly way: string }[] {
    const list = (path: string, all: readonly { readonly name: string; readonly way: string }[]) =>
      all.map(({ name, way }) => ({ path, name, way }));
    return [
      ...list('data', this.#data),
      ...list('commands', this.#commands),
      ...list('headers', this.#headers),
      ...list('host names', this.#hosts),
    ];
  }

  contests(): readonly Contest[] {
    return SIZES.flatMap((size) => [
      ...this.#dataContests(size),
      this.#commandContest(size),
      this.#headerContest(size),
      this.#hostContest(size),
    ]);
  }

  #dataContests(size: number): Contest[] {
    const samples = [['data', makeText(size)] as const, ['stuffed data', makeStuffedText(size)] as const];
    return samples.map(([path, chunk]) => ({
      path,
      octets: chunk.length,
      items: 1,
      calls: [
        ...this.#data
          // smtp-server waits for the event loop at each stuffed dot: that is no call that could be timed.
          .filter(({ name }) => path === 'data' || name !== 'smtp-server')
          .map((reader) => ({ name: reader.name, call: () => reader.scan(chunk) })),
        copyCall(chunk),
      ],
    }));
  }

  #commandContest(size: number): Contest {
    const chunk = makeCommands(size);
    const items = this.#commands[0]!.parse(chunk);
    return {
      path: items === 1 ? 'command' : 'batch',
      octets: chunk.length,
      items,
      calls: [
        ...this.#commands.map((reader) => ({ name: reader.name, call: () => reader.parse(chunk) })),
        copyCall(chunk),
      ],
    };
  }

  #headerContest(size: number): Contest {
    const block = makeHeader(size);
    const items = this.#headers[0]!.index(block);
    return {
      path: 'headers',
      octets: block.length,
      items,
      calls: [
        ...this.#headers.map((reader) => ({ name: reader.name, call: () => reader.index(block) })),
        copyCall(block),
      ],
    };
  }

  #hostContest(size: number): Contest {
    const text = makeNewsletter(size);
    return {
      path: 'host names',
      octets: text.length,
      // The time goes by octets: most text has none.
      items: 1,
      calls: [
        ...this.#hosts.map((reader) => ({ name: reader.name, call: () => reader.find(text) })),
        copyCall(text),
      ],
    };
  }
}

function copyCall(octets: Buffer): TimedCall {
  const target = new Uint8Array(octets.length);
  return {
    name: MEMCPY,
    call: () => {
      target.set(octets);
      return target[0]!;
    },
  };
}
