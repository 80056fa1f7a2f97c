/** The envelope of a stored message, as it stands in front of its file. RFC 5321 section 2.3.1. */

import { Address } from '../../../bindings/wire/address.ts';
import type { MailOptions, Recipient, RecipientOptions } from '../../../bindings/plugin/connection.ts';
import type { MailObject, SendingClient } from '../../../bindings/plugin/delivery.ts';

export interface StoredEnvelope {
  readonly id: string;
  readonly arrivedMs: number;
  /** Orders messages that arrived in the same millisecond; sorts as text. */
  readonly order: string;
  readonly reversePath: Address;
  readonly recipients: readonly StoredRecipient[];
  readonly mailOptions: MailOptions;
  readonly client: SendingClient | undefined;
  /** `Message.octets`, `hasNul` and so on: what the core saw when the message came in. */
  readonly facts: MessageFacts;
}

export interface StoredRecipient extends Recipient {
  /** Recipients of one destination share an attempt. */
  readonly destination: string;
}

/** A report on a message. Nothing else has both no sender and no client: bounces of others came from one. */
export const isReport = ({ reversePath, client }: Pick<StoredEnvelope, 'reversePath' | 'client'>): boolean =>
  reversePath.isNull && client === undefined;

export interface MessageFacts {
  readonly hasNul: boolean;
  readonly hasEightBit: boolean;
  readonly longestLine: number;
}

type Path = readonly [localPart: string, domain: string];

/** The envelope as JSON has it: maps as lists of pairs, addresses as pairs. */
interface Written extends Omit<StoredEnvelope, 'reversePath' | 'recipients'> {
  readonly reversePath: Path;
  readonly recipients: readonly {
    readonly path: Path;
    readonly parameters: readonly (readonly [string, string | null])[];
    readonly options?: RecipientOptions | undefined;
    readonly destination: string;
  }[];
}

/** What is to be stored of `mail`. */
export function envelopeOf(
  { reversePath, recipients, mailOptions, client, message }: MailObject,
  marks: Pick<StoredEnvelope, 'id' | 'arrivedMs' | 'order'>,
  destinationOf: (address: Address) => string,
): StoredEnvelope {
  return {
    ...marks,
    reversePath,
    recipients: recipients.map(({ address, parameters, options }) => ({
      address,
      parameters,
      options,
      destination: destinationOf(address),
    })),
    mailOptions,
    client,
    facts: {
      hasNul: message.hasNul,
      hasEightBit: message.hasEightBit,
      longestLine: message.longestLine,
    },
  };
}

const pathOf = ({ localPart, domain }: Address): Path => [localPart, domain];

export function printEnvelope(envelope: StoredEnvelope): Buffer {
  const written: Written = {
    ...envelope,
    reversePath: pathOf(envelope.reversePath),
    recipients: envelope.recipients.map(({ address, parameters, options, destination }) => ({
      path: pathOf(address),
      parameters: [...parameters].map(([keyword, value]) => [keyword, value ?? null] as const),
      options,
      destination,
    })),
  };
  return Buffer.from(`${JSON.stringify(written)}\n`, 'utf8');
}

/** The opposite of `printEnvelope`; throws for anything it did not write. */
export function parseEnvelope(octets: Buffer): StoredEnvelope {
  const { reversePath, recipients, mailOptions, client, ...rest } = JSON.parse(
    octets.toString('utf8'),
  ) as Written;
  return {
    ...rest,
    client: client === undefined ? undefined : { ...NO_CLIENT, ...client },
    mailOptions: { ...NO_OPTIONS, ...mailOptions },
    reversePath: new Address(...reversePath),
    recipients: recipients.map(({ path, parameters, options, destination }) => ({
      address: new Address(...path),
      parameters: new Map(parameters.map(([keyword, value]) => [keyword, value ?? undefined])),
      options: options === undefined ? undefined : { ...NO_WISHES, ...options },
      destination,
    })),
  };
}

/** JSON leaves out what is undefined. */
const NO_OPTIONS = { size: undefined, ret: undefined, envid: undefined, submitter: undefined };
const NO_CLIENT = { host: undefined, helloHost: undefined, user: undefined };
const NO_WISHES = { notify: undefined, originalRecipient: undefined };
