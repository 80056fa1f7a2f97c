// Writes what `qpsmtpd/plugin` and `qpsmtpd/lists` export to the standard output, in Markdown: a line for each name, with its kind and
// its signature from the type checker. `npm run docs` puts it into docs/reference/api.md; a test compares the two.
import ts from 'typescript';

const ENTRIES = [
  ['qpsmtpd/plugin', 'bindings/plugin/index.ts'],
  ['qpsmtpd/lists', 'bindings/lists/index.ts'],
];
const FORMAT =
  ts.TypeFormatFlags.NoTruncation |
  ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope |
  ts.TypeFormatFlags.UseSingleQuotesForStringLiteralType;

const { config } = ts.readConfigFile('tsconfig.json', ts.sys.readFile);
const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, '.');
const program = ts.createProgram(
  ENTRIES.map(([, file]) => file),
  options,
);
const checker = program.getTypeChecker();

/** `{ a: string; b(): void }`: what may be seen of an object from outside. */
function membersOf(type, node) {
  const members = checker.getPropertiesOfType(type).filter((member) => isVisible(member));
  const calls = type.getCallSignatures().map((call) => checker.signatureToString(call, node, FORMAT));
  const indices = checker
    .getIndexInfosOfType(type)
    .map(({ keyType, type: value }) => `[${show(keyType, node)}]: ${show(value, node)}`);
  return `{ ${[...calls, ...indices, ...members.map((member) => memberOf(member, node))].join('; ')} }`;
}

/** Declared here, and not private. What is inherited from the language is known. */
function isVisible({ name, declarations = [] }) {
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected;
  return (
    name !== 'prototype' &&
    declarations.every(
      (declaration) =>
        (ts.getCombinedModifierFlags(declaration) & hidden) === 0 &&
        !(declaration.name !== undefined && ts.isPrivateIdentifier(declaration.name)) &&
        !/node_modules/.test(declaration.getSourceFile().fileName),
    )
  );
}

function memberOf(member, node) {
  const type = checker.getTypeOfSymbol(member);
  const isOptional = (member.flags & ts.SymbolFlags.Optional) !== 0;
  const isMethod = (member.flags & ts.SymbolFlags.Method) !== 0;
  if (isMethod && type.getCallSignatures().length > 0 && !isOptional)
    return type
      .getCallSignatures()
      .map((call) => `${member.name}${checker.signatureToString(call, node, FORMAT)}`)
      .join('; ');
  const isFixed = (member.declarations ?? []).every(
    (declaration) => (ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Readonly) !== 0,
  );
  return `${isFixed ? 'readonly ' : ''}${member.name}${isOptional ? '?' : ''}: ${show(type, node)}`;
}

const show = (type, node, flags = FORMAT) => checker.typeToString(type, node, flags);

function describe(symbol) {
  const { flags } = symbol;
  const [node] = symbol.declarations;
  if (flags & ts.SymbolFlags.Class) {
    const own = checker.getTypeOfSymbol(symbol);
    const makers = own
      .getConstructSignatures()
      .map((maker) => `new ${checker.signatureToString(maker, node, FORMAT)}`);
    const statics = checker.getPropertiesOfType(own).filter((member) => isVisible(member));
    const made = [...makers, ...statics.map((member) => `static ${memberOf(member, node)}`)].join('; ');
    return ['class', `${made}; ${membersOf(checker.getDeclaredTypeOfSymbol(symbol), node)}`];
  }
  if (flags & ts.SymbolFlags.Function) {
    const calls = checker.getTypeOfSymbol(symbol).getCallSignatures();
    return ['function', calls.map((call) => checker.signatureToString(call, node, FORMAT)).join('; ')];
  }
  if (flags & ts.SymbolFlags.Variable) {
    const type = show(checker.getTypeOfSymbol(symbol), node);
    // `LogLevel`: a value and the type of the same name.
    return flags & ts.SymbolFlags.TypeAlias ? ['const and type', type] : ['const', type];
  }
  if (flags & ts.SymbolFlags.Interface) {
    const heritage = (node.heritageClauses ?? []).flatMap(({ types }) => types.map((each) => each.getText()));
    const parents = heritage.length === 0 ? '' : `extends ${heritage.join(', ')} `;
    return ['interface', `${parents}${membersOf(checker.getDeclaredTypeOfSymbol(symbol), node)}`];
  }
  if (flags & ts.SymbolFlags.TypeAlias) return ['type', node.type.getText()];
  return [
    'namespace',
    `the whole of ${node.getSourceFile().fileName.replace(/^.*node_modules\/([^/]+)\/.*$/, '$1')}`,
  ];
}

/** Type parameters of a declaration, as they are written. */
function parametersOf(symbol) {
  const parameters = symbol.declarations.flatMap(({ typeParameters = [] }) => [...typeParameters]);
  const isFunction = (symbol.flags & ts.SymbolFlags.Function) !== 0;
  return isFunction || parameters.length === 0
    ? ''
    : `<${parameters.map((each) => each.getText()).join(', ')}>`;
}

function linesOf(file) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(file));
  return checker
    .getExportsOfModule(module)
    .map((exported) => {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const [kind, signature] = describe(symbol);
      return `${kind} ${exported.name}${parametersOf(symbol)}: ${signature}`
        .replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '')
        .replace(/\s+/g, ' ')
        .replace(/ \| (?=\|)|: \| /g, (text) => (text.startsWith(':') ? ': ' : ' '));
    })
    .sort((one, other) => nameIn(one).localeCompare(nameIn(other), 'en'));
}

const nameIn = (line) => /^(?:const and type|\w+) (\w+)/.exec(line)[1];

const sections = ENTRIES.map(([name, file]) => {
  const lines = linesOf(file);
  return `## ${name}\n\n${lines.length} names.\n\n\`\`\`text\n${lines.join('\n')}\n\`\`\`\n`;
});
process.stdout.write(`# What plugins may import

Every name of the plugin API, as the type checker knows it; what they are for stands in [writing a plugin](../guide/plugins.md).
Made by \`npm run docs\`.

${sections.join('\n')}`);
