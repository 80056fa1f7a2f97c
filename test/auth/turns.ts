/** Turns of a mechanism in words, to compare at a glance. */

import type { Template } from '../../host/replies/reply.ts';
import { failureReplies } from '../../host/session/auth-exchange.ts';
import type { SaslServer, MechanismContext, Turn } from '../../host/auth/mechanism.ts';

/** A host with a fixed clock, whose nonces are what the test wants. */
export const surroundings = (nonce = 'nonce'): MechanismContext => ({
  me: 'mx.test',
  seconds: 0x6b02f572,
  nonce: () => nonce,
});

const inReply = ({ code, classic }: Template, about: string): string =>
  `${code} ${classic[0]!.replace('%1', about)}`;

export function inWords(turn: Turn): string {
  switch (turn.kind) {
    case 'challenge':
      return `challenge ${turn.octets.toString('latin1')}`.trimEnd();
    case 'salt':
      return `salt of ${turn.user}`;
    case 'credentials': {
      const { user, password, digest, token } = turn.credentials;
      return ['credentials', user, password, digest, token]
        .filter((word) => word !== undefined && word !== '')
        .join(' ');
    }
    case 'failure':
      return inReply(failureReplies[turn.why], turn.about);
  }
}

/** The last turn after these messages, the first of which is the initial response. */
export function play(machine: SaslServer, ...messages: readonly string[]): string {
  const [initial, ...rest] = messages.map((text) => Buffer.from(text, 'utf8'));
  return inWords(rest.reduce((_, octets) => machine.next(octets), machine.start(initial)));
}
