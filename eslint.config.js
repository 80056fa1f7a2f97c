import tseslint from 'typescript-eslint';

// A pattern for whole module names: a folder of the host may be called `tls`.
const notHere = (message) => ({ regex: '^(node:)?(net|tls|http|https|dgram)$', message });

export default tseslint.config(
  { ignores: ['dist/', 'build/', 'core-wasm/', 'node_modules/', 'coverage/', '.qpsmtpd-sample/'] },
  ...tseslint.configs.strict,
  {
    rules: {
      eqeqeq: 'error',
      'max-lines': ['error', { max: 600 }],
      'max-lines-per-function': ['error', { max: 60, skipComments: true, skipBlankLines: true }],
      'no-console': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      '@typescript-eslint/no-extraneous-class': 'off',
    },
  },
  {
    files: ['host/**/*.ts'],
    ignores: [
      'host/intake/**',
      'host/fronts/http/**',
      'host/tls/**',
      'host/dns/**',
      'host/delivery/**',
      'host/http/**',
      'host/connect/**',
      'host/observe/syslog-output.ts',
    ],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            notHere(
              'sockets belong to host/intake, host/tls, host/dns, host/delivery, host/http and host/connect',
            ),
          ],
        },
      ],
    },
  },
  {
    files: ['plugins/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              // What computes, and neither reads nor waits.
              group: [
                'node:*',
                ...['buffer', 'crypto', 'path', 'stream', 'util', 'zlib'].map((name) => `!node:${name}`),
              ],
              message: 'plugins get services in their context',
            },
            { group: ['**/host/**'], message: 'plugins get services in their context' },
          ],
        },
      ],
    },
  },
  {
    files: ['bindings/plugin/**/*.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: [
                'node:*',
                '!node:buffer',
                '!node:crypto',
                '!node:path',
                '!node:stream',
                '!node:util',
                '**/host/**',
              ],
              message: 'plugins get services in their context',
            },
          ],
        },
      ],
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'setImmediate'],
      'no-restricted-properties': [
        'error',
        { object: 'Math', property: 'random' },
        { object: 'Date', property: 'now' },
      ],
      'no-restricted-syntax': ['error', "NewExpression[callee.name='Date']"],
    },
  },
  {
    files: ['bin/**'],
    rules: {
      '@typescript-eslint/no-require-imports': 'off',
      // ECMAScript 5 has no catch without a name.
      '@typescript-eslint/no-unused-vars': ['error', { caughtErrors: 'none' }],
    },
  },
  { files: ['test/**', 'bench/**'], rules: { 'max-lines-per-function': 'off' } },
);
