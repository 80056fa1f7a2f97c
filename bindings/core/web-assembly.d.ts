/** The part of the WebAssembly namespace that the core needs; Node's type declarations leave it to the DOM's. */
declare namespace WebAssembly {
  interface ModuleImportDescriptor {
    readonly module: string;
    readonly name: string;
  }

  class Module {
    constructor(binary: Uint8Array);
    static imports(module: Module): ModuleImportDescriptor[];
  }

  class Instance {
    constructor(module: Module);
    readonly exports: object;
  }
}
