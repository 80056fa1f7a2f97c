/**
 * Module hooks for plugins from outside this package, run by Node in a thread of their own: imports of `qpsmtpd` and
 * `qpsmtpd/…` lead to this very package, wherever the plugin lies. Another copy of the package, one that npm has put beside the
 * plugin, would bring classes and notes that this server does not know.
 */

const OWN_NAME = /^qpsmtpd(?:\/|$)/;

type NextResolve<R> = (specifier: string, context: ResolveContext) => R;
interface ResolveContext {
  readonly parentURL?: string | undefined;
}

export function resolve<R>(specifier: string, context: ResolveContext, nextResolve: NextResolve<R>): R {
  // Node resolves the name of a package, asked for from a file of that package, to the package itself.
  const asker = OWN_NAME.test(specifier) ? { ...context, parentURL: import.meta.url } : context;
  return nextResolve(specifier, asker);
}
