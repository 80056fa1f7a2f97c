import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { CoreError, loadCore, WasmCore } from '../../bindings/core.ts';
import { isLong } from '../amount.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const binary = readFileSync(join(root, 'core-wasm/core.wasm'));
const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

describe('the choice of a core', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.unstubAllEnvs();
  });

  it('is the compiled one, without a notice', () => {
    const { core, notice } = loadCore('');
    expect([core.name, notice]).toEqual(['wasm', undefined]);
  });

  it('can be forced by QPSMTPD_CORE', () => {
    vi.stubEnv('QPSMTPD_CORE', 'reference');
    expect(loadCore().core.name).toBe('reference');
    vi.stubEnv('QPSMTPD_CORE', 'wasm');
    expect(loadCore().core.name).toBe('wasm');
  });

  it('refuses a core that does not exist', () => {
    expect(() => loadCore('llhttp')).toThrow(CoreError);
    expect(() => loadCore('llhttp')).toThrow('QPSMTPD_CORE=llhttp');
  });

  it('falls back to the reference under --jitless, and says so in one line', () => {
    vi.stubGlobal('WebAssembly', undefined);
    const { core, notice } = loadCore('');
    expect(core.name).toBe('reference');
    expect(notice).toContain('--jitless');
    expect(notice).not.toContain('\n');
    expect(() => loadCore('wasm')).toThrow(CoreError);
  });

  it('names --disable-wasm-trap-handler where address space is limited', () => {
    const Instance = class {
      constructor() {
        throw new RangeError(
          'WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory for new instance',
        );
      }
    };
    vi.stubGlobal('WebAssembly', { Module: WebAssembly.Module, Instance });
    expect(loadCore('').notice).toMatch(/--disable-wasm-trap-handler/);
  });

  it('loads from octets that are given to it', () => {
    expect(new WasmCore(binary).commands(Buffer.from('QUIT\r\n'), 0)).toBe(1);
    expect(() => new WasmCore(Buffer.from('no module'))).toThrow();
  });
});

describe('the compiled core', () => {
  it('imports nothing', () => {
    expect(WebAssembly.Module.imports(new WebAssembly.Module(binary))).toEqual([]);
  });

  it('is the one whose hash is committed', () => {
    const [promised] = readFileSync(join(root, 'core-wasm/core.wasm.sha256'), 'utf8').split(' ', 1);
    expect(sha256(binary)).toBe(promised);
  });

  // `npm test` builds the core, whose hash the test before this one looks at.
  it.runIf(isLong)('comes out of its sources octet by octet', () => {
    const folder = mkdtempSync(join(tmpdir(), 'qpsmtpd-core-'));
    try {
      const out = join(folder, 'core.wasm');
      const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
      execFileSync(process.execPath, [asc, 'core-wasm/index.ts', '--target', 'release', '--outFile', out], {
        cwd: root,
        stdio: 'ignore',
      });
      expect(sha256(readFileSync(out))).toBe(sha256(binary));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
