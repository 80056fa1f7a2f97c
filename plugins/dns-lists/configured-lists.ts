/** The lists of a configuration file, as they are now: lists that stay in the file keep what is known of them. */

import type { CheckList, CompiledList, Setup } from '../../bindings/plugin/index.ts';
import { parseListLine, type ListLine } from './list-line.ts';
import type { ListEntry } from './list-vote.ts';
import { LocalList } from './local-list.ts';
import { RemoteList } from './remote-list.ts';
import type { AddressFamily, ListKind } from './self-test.ts';
import type { ZoneFormat } from './zone-files/zone-entries.ts';
import { ZoneFiles } from './zone-files/zone-file.ts';

type ListSetup = Pick<Setup<unknown>, 'config' | 'services' | 'log' | 'onCheck' | 'onClose'>;

/** `L`: what a line of the file says. */
export class ConfiguredLists<L extends ListLine = ListLine> {
  readonly #setup: ListSetup;
  readonly #file: string;
  readonly #kind: ListKind;
  readonly #parse: (line: string) => L;
  readonly #entries: CompiledList<readonly ListEntry<L>[]>;
  readonly #zoneFiles: ZoneFiles;
  #lists: ReadonlyMap<string, RemoteList | LocalList> = new Map();

  /**
   * `file` is a name of the configuration, such as `dnsbl_zones`. Throws what is wrong with its lines. `parse`: for files whose
   * lines have a form of their own.
   */
  constructor(
    setup: ListSetup,
    file: string,
    kind: ListKind,
    parse: (line: string) => L = parseListLine as (line: string) => L,
  ) {
    this.#setup = setup;
    this.#parse = parse;
    this.#file = file;
    this.#kind = kind;
    this.#zoneFiles = new ZoneFiles(setup.services, setup.log);
    setup.onClose(() => this.#zoneFiles.close());
    setup.onCheck(() => this.#checkFiles());
    this.#entries = setup.config.list(file, (lines) => this.#compile(lines));
  }

  /** One for each list, lines of the same list together. */
  get entries(): readonly ListEntry<L>[] {
    return this.#entries.current;
  }

  /** Resolves when lists in files have been read, those in the DNS need not have passed their test. Never rejects. */
  async begin(): Promise<void> {
    void this.test();
    await Promise.all(this.#local.map((list) => list.load()));
  }

  /** Tests the lists whose test is due. Resolves with what is wrong, never rejects. */
  async test(): Promise<readonly string[]> {
    const remote = [...this.#lists.values()].filter((list) => list instanceof RemoteList);
    const tested = remote.map(async (list) =>
      (await list.test()).map((problem) => `${this.#file}: ${list.name}: ${problem}`),
    );
    return (await Promise.all(tested)).flat();
  }

  #compile(lines: readonly string[]): readonly ListEntry<L>[] {
    const groups = new Map<string, L[]>();
    for (const text of lines) {
      const line = this.#parse(text);
      const id = JSON.stringify([line.zone, line.options]);
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [line]);
      else group.push(line);
    }
    const lists = new Map<string, RemoteList | LocalList>();
    const entries = [...groups].map(([id, group]): ListEntry<L> => {
      const takesTextAlone = group.some(({ filter, text }) => filter === undefined && text === undefined);
      const key = `${id} ${takesTextAlone}`;
      const list = this.#lists.get(key) ?? this.#open(group[0]!, takesTextAlone);
      lists.set(key, list);
      return { list, lines: group };
    });
    this.#lists = lists;
    return entries;
  }

  get #local(): readonly LocalList[] {
    return [...this.#lists.values()].filter((list) => list instanceof LocalList);
  }

  /** `qpsmtpd check` reads the files as the daemon would; lines that are left out stand in its log. */
  async #checkFiles(): Promise<CheckList> {
    const { file } = this.#setup.config.placeOf(this.#file);
    const items: string[] = [];
    for (const list of this.#local) {
      await list.load();
      if (list.problem !== undefined) items.push(`${file}: ${list.name}: ${list.problem}`);
    }
    return {
      headline: 'lists in files that cannot be read, and that list nobody:',
      items,
      remedy: 'correct the file, or the `format=` of the list',
    };
  }

  #open(line: ListLine, takesTextAlone: boolean): RemoteList | LocalList {
    const { file, format } = line.options;
    return file === undefined
      ? this.#openRemote(line, takesTextAlone)
      : this.#openLocal(line.zone, file.split(','), format as ZoneFormat);
  }

  #openLocal(zone: string, paths: readonly string[], format: ZoneFormat): LocalList {
    if (this.#kind === 'domains' && format !== 'dnset')
      throw new Error(`${zone} has domains, and format=${format} addresses (write format=dnset)`);
    return new LocalList(zone, this.#zoneFiles.open({ paths, format }), this.#setup.services.clock);
  }

  #openRemote({ zone, options }: ListLine, takesTextAlone: boolean): RemoteList {
    const { log, services } = this.#setup;
    const { family, key, test } = options;
    const keyFile = options['key-file'];
    if (family !== undefined && this.#kind === 'domains')
      throw new Error(`${zone} has domains, which are of no family (leave \`family=${family}\` out)`);
    return new RemoteList(zone, {
      dns: services.dns,
      key: keyFile === undefined ? key : readKey(services.files.readSecret(keyFile), keyFile),
      families: family === undefined ? undefined : FAMILIES[family as keyof typeof FAMILIES],
      takesTextAlone,
      watch: { kind: this.#kind, clock: services.clock, log, isUntested: test === 'no' },
    });
  }
}

const FAMILIES: Readonly<Record<'4' | '6' | 'both', readonly AddressFamily[]>> = {
  4: [4],
  6: [6],
  both: [4, 6],
};

/** Never quotes what the file holds. */
function readKey(text: string, path: string): string {
  const key = text.trim();
  if (/^[\w-]{1,63}(?:\.[\w-]{1,63}){0,3}$/.test(key)) return key;
  throw new Error(
    `key-file: ${path} holds no key (one line: letters, digits, - and _, in labels parted by dots)`,
  );
}
